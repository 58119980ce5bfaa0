"""`up`: the whole desk in one go. It checks first, starts the programs, shows what they do, and stops them again."""

import json
import sys
import tempfile
import threading
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trade_mcp.cli.options import Config, For, Json, desk, seconds
from trade_mcp.domain.errors import BadInput

if TYPE_CHECKING:
    from trade_mcp.app import App
    from trade_mcp.cli.supervise import Programs

REFRESH_S = 1.0  # of a terminal, and of --json
LINES_S = 5.0  # of plain text


def up(
    feed: Annotated[str | None, typer.Option(help="synthetic (made-up prices) or replay (your candle files).")] = None,
    data: Annotated[
        list[Path] | None, typer.Option(metavar="PATH", help="Candle file of replay; may be repeated.")
    ] = None,
    speed: Annotated[str | None, typer.Option(help="Market seconds per real second, or max; default 60.")] = None,
    for_: For = None,
    port: Annotated[int | None, typer.Option(help="Port of the MCP server; default 8765.")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Run the whole desk: MCP server, watcher and loop, and show what they do.

    Without anything configured it trades made-up prices on paper: no key, no network, no money. It ends after --for,
    or on Ctrl-C.

    \b
    Examples:
      trade-mcp up
      trade-mcp up --feed replay --data BTCUSDT_5m.parquet --speed 1500 --for 10m
    """
    from trade_mcp.role import until_told
    from trade_mcp.server.transport import listen
    from trade_mcp.settings import as_environment, config_file, load_settings

    length = seconds(for_)
    files = [str(path.absolute()) for path in data or ()] or None
    overrides = {
        "feed": {"name": feed or ("replay" if files else None), "data": files, "speed": speed},
        "server": {"port": port},
    }
    settings = load_settings(config, overrides=overrides)
    _writable(settings.desk.data_dir)
    listen(settings.server.host, settings.server.port).close()  # a port in use is refused before anything starts
    with until_told(length) as stop, desk(config, "up", overrides) as app:
        if sys.stdin.isatty() and app.policy_changes():
            app.adopt_policy(by="operator")
        env = as_environment(overrides) | {"TRADE_MCP_LOG_JSON": "true"}
        from trade_mcp.cli.supervise import Programs

        programs = Programs(settings.desk.data_dir / "logs", config=config_file(config), env=env)
        try:
            _show(app, programs, stop, as_json=as_json)
        finally:
            programs.stop()
    print(f"stopped; the ledger is in {settings.desk.data_dir}: analyze-portfolio reads it", file=sys.stderr)


def _writable(folder: Path) -> None:
    """Raises BadInput before anything starts, rather than half-way."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise BadInput(
            f"{folder} cannot be written: {error.strerror}",
            hint="set desk.data_dir (TRADE_MCP_DESK__DATA_DIR) to another folder",
        ) from None


def _show(app: "App", programs: "Programs", stop: threading.Event, *, as_json: bool) -> None:
    """Show the desk until ``stop``: a live table on a terminal, else lines; warnings of the programs as they come."""
    from trade_mcp.cli import screen

    heard: deque[str] = deque(maxlen=3)
    if as_json or not sys.stdout.isatty():
        pause = REFRESH_S if as_json else LINES_S
        while True:
            programs.check()
            heard.extend(programs.warnings())
            seen = screen.look(app, list(heard))
            print(json.dumps(seen, ensure_ascii=False) if as_json else screen.lines(seen), flush=True)
            if stop.wait(pause):
                return
    from rich.live import Live

    with Live(refresh_per_second=4, screen=False) as live:
        while True:
            programs.check()
            heard.extend(programs.warnings())
            live.update(screen.table(screen.look(app, list(heard))))
            if stop.wait(REFRESH_S):
                return
