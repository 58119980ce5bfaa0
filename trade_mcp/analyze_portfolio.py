"""analyze-portfolio: what a ledger says, live or copied. It needs no venue, no key and no network."""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trade_mcp.domain.errors import TradeError
from trade_mcp.office.analysis import Analysis, analyse, flat
from trade_mcp.office.past import reading
from trade_mcp.office.span import Asked, asked
from trade_mcp.store.log import Log

EMPTY = "nothing has happened on this ledger yet: run `trade-mcp up`, wait a minute, and look again"
WAITING = "no order was asked for yet: keep `trade-mcp up` running; its screen says what the loop is waiting for"


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script. Exit codes: 0, 1 (the ledger cannot be read), 2 (bad usage or configuration)."""
    said = _parser().parse_args(arguments)
    try:
        span = asked(said.period)
        with reading(_where(said.database, config=said.config)) as ledger:
            body = as_json(analyse(ledger, span))
            if said.html is not None:
                _page(ledger, span, said)
    except TradeError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    if said.json:
        print(json.dumps(body, indent=2))
        return
    from trade_mcp.office.analysis_text import show  # rich is for people alone

    show(body)


def as_json(found: Analysis) -> dict[str, Any]:
    """The analysis as flat JSON: money as text, ratios as numbers, null for what is not known."""
    body = flat(found)
    if not found.now.mode:
        body["hint"] = EMPTY
    elif found.since is None and not found.orders.total and not found.refusals:
        body["hint"] = WAITING
    return body


def _page(ledger: Log, span: Asked, said: argparse.Namespace) -> None:
    """The whole report as a page. Candles are there if the settings name the ledger's own feed."""
    from trade_mcp.office.reporting import PastPrices, report  # charts are for who wants a page
    from trade_mcp.reports.files import put
    from trade_mcp.reports.html import html
    from trade_mcp.reports.page import page_of
    from trade_mcp.reports.prices import prices_of

    prices = PastPrices()
    if said.database is None:
        from trade_mcp.settings import load_settings

        prices = prices_of(load_settings(said.config))
    found = report(ledger, span, prices)
    put(said.html, html(page_of(found, name=said.period or "all", made_at=datetime.now(UTC))))
    print(f"the page is in {said.html}", file=sys.stderr)


def _where(database: str | None, *, config: Path | None) -> str:
    if database is not None:
        return database
    from trade_mcp.settings import load_settings  # a copied ledger is read without any settings

    return load_settings(config).desk.ledger_url


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="analyze-portfolio",
        description="Equity, positions, trades, costs and refusals of a ledger, while it runs or of a copy.",
        epilog="The period limits orders, fills, trades, refusals, the groups and max_drawdown; the rest is as of now.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON: money as text, ratios as numbers")
    parser.add_argument(
        "--html", metavar="FILE", type=Path, help="also write the whole report as a page: charts, trades, ratios"
    )
    parser.add_argument("--period", metavar="7d", help="only the last stretch of market time: 24h, 7d, 4w, day, week")
    parser.add_argument(
        "--database", metavar="URL", help="the ledger: a file or sqlite:///FILE; default: the settings'"
    )
    parser.add_argument(
        "--config", metavar="FILE", type=Path, help="settings; default: ./trade-mcp.toml, then the user's"
    )
    return parser


if __name__ == "__main__":
    main()
