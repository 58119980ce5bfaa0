"""The programs of the desk, one command each: server, loop, watcher; and one pass of both by hand."""

from typing import Annotated, Any

import typer

from trade_mcp.cli.options import Config, For, Json, desk, flag_is_down, say, seconds


def serve(
    http: Annotated[bool, typer.Option("--http", help="Streamable HTTP instead of stdin and stdout.")] = False,
    host: Annotated[str | None, typer.Option(help="Address to listen on; default server.host.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; default server.port.")] = None,
    config: Config = None,
) -> None:
    """Serve the desk's tools to MCP clients.

    Over stdin and stdout by default, for clients that start the server themselves. While no watcher runs, the server
    watches the exits itself.

    \b
    Examples:
      claude mcp add trade-mcp -- uv run trade-mcp serve
      trade-mcp serve --http --port 8800
    """
    with desk(config, "serve", {"server": {"host": host, "port": port}}) as app:
        from trade_mcp.server.transport import run_http, run_stdio
        from trade_mcp.watcher import hosted

        with hosted(app):
            if http:
                run_http(app, app.settings.server.host, app.settings.server.port)
            else:
                run_stdio(app)


def loop(for_: For = None, config: Config = None) -> None:
    """Run the loop, which decides at the close of each bar. It buys and sells by its strategies.

    One loop trades at a time: a second one stands by and takes over when the first is gone. Ends cleanly on SIGTERM
    and Ctrl-C; SIGUSR1 halts trading.

    \b
    Example:
      trade-mcp loop --for 10m
    """
    length = seconds(for_)
    with desk(config, "loop") as app:
        from trade_mcp.loop import run

        run(app, for_s=length)


def watch(for_: For = None, config: Config = None) -> None:
    """Run the watcher, which keeps a stop under every position. It books fills and compares with the venue, too.

    One watcher works at a time: a second one stands by. Ends cleanly on SIGTERM and Ctrl-C; SIGUSR1 halts trading.

    \b
    Example:
      trade-mcp watch
    """
    length = seconds(for_)
    with desk(config, "watch") as app:
        from trade_mcp.watcher import run

        run(app, for_s=length)


def tick(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide, but write and send nothing.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """One pass of watcher and loop, then end. Says what would be done now, and why.

    \b
    Example:
      trade-mcp tick --dry-run
    """
    if not dry_run:
        flag_is_down(config)
    with desk(config, "tick") as app:
        watched = None if dry_run else app.watch.step()
        if not dry_run:  # where ticks are all that runs, nobody else makes the day's correlations
            from trade_mcp.office.correlations import correlate

            correlate(app.log, app.market, clock=app.clock)
        report = app.decide.step(dry_run=dry_run)
        answer: dict[str, Any] = {
            "at": report.at,
            "bar": report.bar,
            "dry_run": dry_run,
            "decisions": [
                {
                    "symbol": d.symbol,
                    "action": d.action,
                    "reason": d.reason,
                    "strength": d.strength,
                    "order_id": d.order_id,
                }
                for d in report.decisions
            ],
            "errors": list(watched.errors) if watched else [],
        }
        lines = [f"{report.at:%Y-%m-%d %H:%M:%S} UTC{' (dry run)' if dry_run else ''}"]
        lines += [f"  {d.symbol} {d.action}: {d.reason}" for d in report.decisions]
        lines += [f"  failed: {error}" for error in answer["errors"]]
        say(answer, "\n".join(lines), as_json=as_json)
        if answer["errors"]:
            raise typer.Exit(1)
