"""`up`: the whole desk in one go. It checks first, starts the programs, shows what they do, and stops them again."""

import json
import sys
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trade_mcp.cli.options import Config, For, Json, desk, flag_is_down, seconds, writable
from trade_mcp.domain.errors import TradeError
from trade_mcp.logs import get_logger

if TYPE_CHECKING:
    from trade_mcp.app import App
    from trade_mcp.cli.screen import Seen
    from trade_mcp.cli.supervise import Programs

REFRESH_S = 1.0  # of a terminal, and of --json
LINES_S = 5.0  # of plain text
BEGIN_WITHIN_S = 8.0


def up(
    feed: Annotated[
        str | None, typer.Option(help="synthetic (made-up prices), replay (candle files) or ccxt (live prices).")
    ] = None,
    data: Annotated[
        list[Path] | None, typer.Option(metavar="PATH", help="Candle file of replay; may be repeated.")
    ] = None,
    speed: Annotated[str | None, typer.Option(help="Market seconds per real second, or max; default 60.")] = None,
    for_: For = None,
    port: Annotated[int | None, typer.Option(help="Port of the MCP server; default 8765.")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Run the whole desk: MCP server, watcher and loop. Shows what they do.

    Without anything configured it trades made-up prices on paper: no key, no network, no money. It ends after --for,
    or on Ctrl-C.

    \b
    Examples:
      trade-mcp up
      trade-mcp up --feed replay --data BTCUSDT_5m.parquet --speed 1500 --for 10m
      TRADE_MCP_DESK__EXCHANGE=binance TRADE_MCP_DESK__SYMBOLS=BTC/USDT trade-mcp up --feed ccxt
    """
    from trade_mcp.settings import as_environment, config_file, load_settings

    length = seconds(for_)
    files = [str(path.absolute()) for path in data or ()] or None
    overrides = {
        "feed": {"name": feed or ("replay" if files else None), "data": files, "speed": speed},
        "server": {"port": port},
    }
    settings = load_settings(config, overrides=overrides)
    from trade_mcp.role import until_told  # what is wrong in the settings is told before the slow imports
    from trade_mcp.server.listening import listen

    writable(settings.desk.data_dir)
    flag_is_down(config)
    listen(settings.server.host, settings.server.port).close()  # a port in use is refused before anything starts
    with until_told(length) as stop, desk(config, "up", overrides) as app:
        told = _policy(app)
        env = as_environment(overrides) | {"TRADE_MCP_LOG_JSON": "true"}
        from trade_mcp.cli.supervise import Programs

        programs = Programs(settings.desk.data_dir / "logs", config=config_file(config), env=env)
        try:
            _show(app, programs, stop, told=told, as_json=as_json)
        finally:
            programs.stop()
            if left := _left(app):
                print(left, file=sys.stderr)
    print(f"stopped; the ledger is in {settings.desk.data_dir}: analyze-portfolio reads it", file=sys.stderr)


def _left(app: "App") -> str:
    """What nothing protects while the desk does not run: positions whose stops cannot rest at the exchange."""
    book = app.log.refresh()
    if not book.stops_watched or not book.with_stops:
        return ""
    held = ", ".join(book.with_stops)
    return f"{held}: no stop rests at {app.venue.name}, and nothing sells until the desk runs again"


def _policy(app: "App") -> list[str]:
    """A person at a terminal takes changed limits over by starting; anything else is told that they wait."""
    keys = ", ".join(key for key, _, _ in app.policy_changes())
    if not keys:
        return []
    if not sys.stdin.isatty() or app.settings.mode == "live":
        return [f"[limits] changed in the file ({keys}): no entries until: trade-mcp policy adopt"]
    app.adopt_policy(by="operator")
    return [f"changed [limits] are in force now: {keys}"]


def _show(app: "App", programs: "Programs", stop: threading.Event, *, told: list[str], as_json: bool) -> None:
    """Show the desk until ``stop``: a live table on a terminal, else lines; warnings of the programs as they come."""
    from trade_mcp.cli import screen

    heard: deque[str] = deque(maxlen=3)

    def look() -> screen.Seen:
        programs.check()
        heard.extend(programs.warnings())
        _beat(app)
        return screen.look(app, [*told, *heard])

    _begun(app, programs, stop)
    if as_json or not sys.stdout.isatty():
        show, pause = (_json if as_json else screen.lines), (REFRESH_S if as_json else LINES_S)
        while True:
            if (seen := _tried(look)) is not None:
                print(show(seen), flush=True)
            if stop.wait(pause):
                return
    from rich.live import Live

    with Live(refresh_per_second=4, screen=False) as live:
        while True:
            if (seen := _tried(look)) is not None:
                live.update(screen.table(seen))
            if stop.wait(REFRESH_S):
                return


def _begun(app: "App", programs: "Programs", stop: threading.Event) -> None:
    """Wait until watcher and loop finished a round, but not long: whoever is not there by then is missed aloud."""
    from trade_mcp.office.health import alive
    from trade_mcp.store.leases import dead

    deadline = app.clock.boot() + BEGIN_WITHIN_S
    while app.clock.boot() < deadline and not stop.wait(0.1):
        programs.check()
        if {"watch", "loop"} <= {one.program for one in app.heartbeats.all() if alive(one) and not dead(one.pid)}:
            return


def _beat(app: "App") -> None:
    """Show that the supervisor lives: it was asked just now."""
    try:
        app.heartbeats.beat("supervisor", {}, wait_s=REFRESH_S)
    except TradeError as error:
        get_logger("up").warning("no sign of life could be written", error=error.message)


def _json(seen: "Seen") -> str:
    return json.dumps(seen, ensure_ascii=False)


def _tried(look: Callable[[], "Seen"]) -> "Seen | None":
    """What is seen, or None: a screen that fails for a moment ends no desk."""
    try:
        return look()
    except TradeError as error:
        if not error.retryable:
            raise
        get_logger("up").warning("nothing to show", error=error.message)
        return None
