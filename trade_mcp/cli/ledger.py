"""The ledger's own commands: is it whole, make its tables anew, every transaction, and its schema."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from trade_mcp import __version__
from trade_mcp.cli.options import Config, Json, say, writable
from trade_mcp.domain.errors import BadInput

db = typer.Typer(
    help="The ledger's schema. Every program brings it to head by itself; this is for doing it by hand.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def verify(config: Config = None, as_json: Json = False) -> None:
    """Check the ledger: its hash chain and its tables. Tables must be what the events add up to.

    Exit code 1 if anything differs. Reads only; works while everything runs.

    \b
    Example:
      trade-mcp verify --json
    """
    from trade_mcp.office.past import reading
    from trade_mcp.store import verify as checking

    with reading(_ledger(config)) as ledger:
        found = checking.verify(ledger.engine, code=__version__)
    lines = [f"{found.events} events; {found.broken or 'the chain is whole'}"]
    lines += [f"  {difference}" for difference in found.differences]
    if found.broken:
        lines.append("NOT sound: the events themselves are damaged; go back to a copy of the ledger")
    else:
        lines.append("sound" if found.sound else "NOT sound: trade-mcp rebuild makes the tables anew from the events")
    answer = {
        "sound": found.sound,
        "events": found.events,
        "broken": found.broken,
        "differences": [str(difference) for difference in found.differences],
    }
    say(answer, "\n".join(lines), as_json=as_json)
    if not found.sound:
        raise typer.Exit(1)


def rebuild(config: Config = None, as_json: Json = False) -> None:
    """Make the ledger's tables anew from its events. In one transaction; says what was different.

    \b
    Example:
      trade-mcp rebuild
    """
    from trade_mcp.store import verify as checking
    from trade_mcp.store.engine import open_engine, path_of
    from trade_mcp.store.schema import revision

    where = _writable_ledger(config)
    if revision(path_of(where)) is None:
        raise BadInput(f"there is no ledger at {path_of(where)}", hint="trade-mcp up makes one")
    engine = open_engine(where)
    try:
        before = checking.verify(engine, code=__version__)
        events = checking.rebuild(engine, code=__version__)
    finally:
        engine.close()
    changed = [str(difference) for difference in before.differences]
    lines = [f"rebuilt from {events} events; {len(changed)} differences", *(f"  {each}" for each in changed)]
    say({"events": events, "differences": changed}, "\n".join(lines), as_json=as_json)


def trades(
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write CSV to this file; - is stdout.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List every transaction and what it realised. Time, order, size, price, fee, who asked, what it realised.

    \b
    Examples:
      trade-mcp trades
      trade-mcp trades --csv trades.csv
    """
    from trade_mcp.office.past import reading
    from trade_mcp.office.plain import moment, number
    from trade_mcp.office.transactions import trades_csv, transactions

    with reading(_ledger(config)) as ledger:
        booked = transactions(ledger)
    if csv is not None:
        if str(csv) == "-":
            trades_csv(booked, sys.stdout)
            return
        try:
            with csv.open("w", encoding="utf-8", newline="") as file:
                count = trades_csv(booked, file)
        except OSError as error:
            raise BadInput(f"{csv} cannot be written: {error.strerror}", hint="name another file") from None
        print(f"{count} transactions in {csv}", file=sys.stderr)
        return
    rows = [
        {
            "at": moment(each.fill.at),
            "order_id": each.fill.order_id,
            "symbol": each.fill.symbol,
            "side": each.fill.side.value,
            "size": number(each.fill.size),
            "price": number(each.fill.price),
            "fee": number(each.fill.fee_quote),
            "source": each.source.value,
            "role": each.role.value,
            "realised": number(each.realised),
        }
        for each in booked
    ]
    say({"trades": rows}, _aligned(rows) or "no transactions yet: trade-mcp up", as_json=as_json)


@db.command()
def upgrade(config: Config = None, as_json: Json = False) -> None:
    """Bring the ledger's schema to head.

    \b
    Example:
      trade-mcp db upgrade
    """
    from trade_mcp.store.engine import open_engine

    engine = open_engine(_writable_ledger(config))
    engine.close()
    say({"ledger": str(engine.path)}, f"{engine.path} is at head", as_json=as_json)


@db.command()
def current(config: Config = None, as_json: Json = False) -> None:
    """Print the schema revision of the ledger.

    \b
    Example:
      trade-mcp db current
    """
    from trade_mcp.office.past import reading

    with reading(_ledger(config)) as ledger:
        row = ledger.engine.row("SELECT version_num FROM alembic_version")
    revision = str(row[0]) if row else "none"
    say({"revision": revision}, revision, as_json=as_json)


def _aligned(rows: list[dict[str, str]]) -> str:
    """Rows under their names."""
    table = [list(rows[0]), *(list(row.values()) for row in rows)] if rows else []
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table
    )


def _ledger(config: Path | None) -> str:
    from trade_mcp.settings import load_settings

    return load_settings(config).desk.ledger_url


def _writable_ledger(config: Path | None) -> str:
    from trade_mcp.store.engine import path_of

    where = _ledger(config)
    writable(path_of(where).parent)
    return where
