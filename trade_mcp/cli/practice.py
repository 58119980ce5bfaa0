"""`practice`: an exchange of one's own to practise on, and what is in its books."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from trade_mcp.cli.options import Config, For, Json, say, seconds, writable
from trade_mcp.domain.errors import BadInput

PORT, CONTROL_PORT = 9100, 9101
USUAL = "practice-key:practice-secret:USDT=10000"

app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)
ControlPort = Annotated[int, typer.Option("--control-port", help="Port of the operator: faults, market time, books.")]


@app.callback()
def practice(
    context: typer.Context,
    port: Annotated[int, typer.Option(help="Port of the exchange, REST and WebSocket.")] = PORT,
    control_port: ControlPort = CONTROL_PORT,
    account: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY:SECRET:USDT=10000,BTC=0.5[:read+trade[:NAME]]",
            help="An API key with what its account owns at first; may be repeated. Without one: practice-key, "
            "practice-secret and 10000 USDT.",
        ),
    ] = None,
    feed: Annotated[
        str | None, typer.Option(help="Where prices come from: synthetic (made up), replay (candle files) or ccxt.")
    ] = None,
    data: Annotated[
        list[Path] | None, typer.Option(metavar="PATH", help="Candle file of replay; may be repeated.")
    ] = None,
    start: Annotated[
        str | None, typer.Option(metavar="TIME", help="Market time at which new books begin: 2023-01-01.")
    ] = None,
    speed: Annotated[
        float | None, typer.Option(help="Market seconds per real second; default 1, or what it was.")
    ] = None,
    faults: Annotated[Path | None, typer.Option(metavar="PLAN", help="A file of faults: see docs/practice.md.")] = None,
    seed: Annotated[int, typer.Option(help="Of the faults' randomness.")] = 0,
    state: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The books; default practice.db in desk.data_dir.")
    ] = None,
    exchange_info: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A real answer of /api/v3/exchangeInfo, for its filters.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    beyond_localhost: Annotated[
        bool, typer.Option("--beyond-localhost", help="Let other machines in, where --host reaches them.")
    ] = False,
    for_: For = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Run an exchange to practise on, without money. Unmodified ccxt takes it for Binance spot.

    It has orders, fills, fees, limits and errors of its own, forgets nothing when it is killed, and fails on demand.
    docs/practice.md shows how to point a program at it.

    \b
    Examples:
      trade-mcp practice
      trade-mcp practice --account k1:s1:USDT=10000,BTC=0.5 --data BTCUSDT_5m.parquet --speed 60
      trade-mcp practice --faults plan.toml --seed 3
      trade-mcp practice status
    """
    if context.invoked_subcommand is not None:
        return
    _check_usable(host, beyond_localhost)
    if speed is not None and not 0 < speed <= 100_000:
        raise BadInput(f"--speed {speed:g} is out of range", hint="above 0, up to 100000")
    from trade_mcp import logs
    from trade_mcp.practice.accounts import parse_accounts
    from trade_mcp.practice.faults import read_plan
    from trade_mcp.settings import load_settings

    length = seconds(for_)
    keys = parse_accounts(account or [USUAL])
    plan = [] if faults is None else read_plan(faults)
    files = [str(path.absolute()) for path in data or ()] or None
    name = feed or ("replay" if files else "synthetic")
    told_prices = {"name": name, "data": files, "start": start}
    settings = load_settings(config, overrides={"feed": told_prices, "desk": {"venue": "paper"}})  # whatever a desk has
    if name == "ccxt" and settings.desk.practises:
        raise BadInput(
            "prices would come from a practice exchange, perhaps from this one",
            hint="unset TRADE_MCP_EXCHANGE_URL, which is a desk's",
        )
    books = state or settings.desk.data_dir / "practice.db"
    writable(books.parent)
    logs.configure("practice")
    logs.hide(key.secret for key in keys.values())
    from trade_mcp.app import open_feed
    from trade_mcp.practice.service import Practice, open_practice
    from trade_mcp.practice.serving import serve
    from trade_mcp.role import until_told
    from trade_mcp.server.listening import bracketed, listen

    prices = open_feed(settings)

    def open_() -> Practice:
        return open_practice(
            prices,
            keys,
            state=books,
            speed=speed,
            start=settings.feed.start if start else None,
            info=exchange_info,
            faults=plan,
            seed=seed,
        )

    told = {
        "url": f"http://{bracketed(host)}:{port}",
        "control": f"http://127.0.0.1:{control_port}",
        "keys": list(keys),
        "feed": prices.identity,
        "synthetic": prices.synthetic,
        "symbols": list(prices.symbols),
        "books": str(books),
        "faults": len(plan),
        "seed": seed,
    }
    with listen(host, port) as listener, listen("127.0.0.1", control_port) as control, until_told(length) as stop:
        serve(open_, listener, control, stop=stop, started=lambda: say(told, _begun(told), as_json=as_json))
    print(f"stopped; the books are in {books}", file=sys.stderr)


@app.command()
def status(control_port: ControlPort = CONTROL_PORT, as_json: Json = False) -> None:
    """What is in the books of the running exchange: accounts, orders, market time, faults.

    Exit code 1 if none runs, or if the money does not add up.

    \b
    Example:
      trade-mcp practice status --json
    """
    from trade_mcp.practice.remote import Remote

    seen = Remote(f"http://127.0.0.1:{control_port}").status()
    say(seen, "\n".join(_lines(seen)), as_json=as_json)
    if not seen["balanced"]:
        raise typer.Exit(1)


def _check_usable(host: str, beyond_localhost: bool) -> None:
    from importlib.util import find_spec

    from trade_mcp.server.listening import is_local

    if find_spec("websockets") is None:
        hint = "pip install 'trade-mcp[practice]', or uv sync --extra practice"
        raise BadInput("the practice exchange needs the package websockets", hint=hint)
    if not is_local(host) and not beyond_localhost:
        raise BadInput(
            f"--host {host} would let other machines trade here, with keys that travel unencrypted",
            hint="say it twice if that is meant: --beyond-localhost as well",
        )


def _begun(told: dict[str, Any]) -> str:
    made_up = " (made up)" if told["synthetic"] else ""
    lines = [
        f"practice exchange at {told['url']}: {', '.join(told['symbols'])}{made_up}",
        f"  keys {', '.join(told['keys'])}; books {told['books']}",
        f"  faults {told['faults']}, seed {told['seed']}; control {told['control']}",
        f"  a desk on it: TRADE_MCP_EXCHANGE_URL={told['url']} with TRADE_MCP_EXCHANGE_KEY and _SECRET",
        "  Ctrl-C ends it; the books stay",
    ]
    return "\n".join(lines)


def _lines(seen: dict[str, Any]) -> list[str]:
    market = seen["market"]
    shown = market["shown_as"][:19].replace("T", " ")
    lines = [
        f"{', '.join(market['symbols'])} at {shown} UTC, {market['speed']:g} x the clock"
        + (" (the recorded prices are over)" if market["ended"] else ""),
        f"{seen['orders']} orders, {seen['fills']} trades; "
        + ("the books add up" if seen["balanced"] else f"the books do NOT add up: {seen['differences']}"),
    ]
    for name, account in seen["accounts"].items():
        lines.append(f"{name}: {len(account['open_orders'])} open orders")
        for asset, owned in account["balances"].items():
            lines.append(f"  {asset} {owned['free']} free, {owned['locked']} locked")
        for order in account["open_orders"]:
            at = " ".join(f"{word} {order[word]}" for word in ("price", "stopPrice") if float(order.get(word, 0)))
            lines.append(f"  {order['symbol']} {order['side']} {order['type']} {order['origQty']} {at}".rstrip())
    for fault in seen["faults"]:
        lines.append(f"fault {fault['number']}: {fault['fault']} at {fault['where']}, struck {fault['struck']} times")
    return lines
