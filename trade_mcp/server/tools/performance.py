"""Performance tools: how the desk did in a span of time, against holding the same symbols and against doing nothing."""

from typing import TYPE_CHECKING, Annotated, Any

from trade_mcp.domain.errors import BadInput
from trade_mcp.domain.instrument import ZERO
from trade_mcp.office.analysis import KEYS, Group, groups, refusals
from trade_mcp.office.material import gather
from trade_mcp.office.reporting import PastPrices, baseline_of, measures, worth_of
from trade_mcp.office.span import asked
from trade_mcp.quant.measure import Measure
from trade_mcp.quant.performance import record
from trade_mcp.quant.returns import max_drawdown
from trade_mcp.server.shapes import Body
from trade_mcp.server.strict import OneOf
from trade_mcp.server.tool import Entry
from trade_mcp.server.tools.parts import brief_number
from trade_mcp.server.untrusted import clean, echo

if TYPE_CHECKING:
    from trade_mcp.app import App

PAGE = 15
RULES = 6  # refusals that are shown

Period = Annotated[str, "day, week, month, all, or 36h, 7d; default week"]


def get_performance(
    desk: "App",
    *,
    period: Period = "week",
    by: Annotated[str, OneOf(tuple(KEYS)), "default strategy"] = "strategy",
    cursor: Annotated[str, "`next` of the page before"] = "",
) -> Body:
    """How the desk did: return against buy and hold, drawdown, ratios with their samples, net profit of each group.

    Ratios of few trades or returns are unknown, and say why.
    """
    of = gather(desk.log, asked(period))
    worth, trades = worth_of(of), record(of.closed)
    held = baseline_of(of, PastPrices(desk.feed, desk.market.symbols))
    page, more = _page(groups(of, by), cursor)
    return {
        "currency": of.book.quote,
        "since": of.span.start,
        "until": of.span.end,
        "equity": {
            "start": worth.start,
            "end": worth.end,
            "change": worth.change,
            "deposits": worth.flow or None,
        },
        "return": worth.growth,
        "buy_and_hold": held.growth if held.growth is not None else f"unknown: {held.unknown}",
        "max_drawdown": max_drawdown(of.curve),
        "fees": sum((one.fill.fee_quote for one in of.fills), ZERO),
        "trades": {
            "closed": trades.closed,
            "won": trades.wins,
            "lost": trades.losses,
            "net": brief_number(trades.net),
        },
        "ratios": {name: _told(one) for name, one in measures(of).items()},
        f"by_{by}": page,
        "next": more,
        "refusals": dict(list(refusals(of).items())[:RULES]) or None,
    }


def _told(measure: Measure) -> str:
    if measure.value is None:
        return f"unknown: {measure.missing}"
    return f"{measure.value:.4g} of {measure.sample} {measure.of}"


def _page(found: dict[str, Group], cursor: str) -> tuple[list[Body], str | None]:
    """The groups with the largest profit or loss first, from ``cursor`` on."""
    if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 9):
        raise BadInput(f"{echo(cursor)} is not a cursor", hint="pass `next` of the page before, or none")
    names = sorted(found, key=lambda name: abs(found[name].net), reverse=True)
    first = int(cursor or 0)
    page: list[Body] = [_group(name, found[name]) for name in names[first : first + PAGE]]
    return page, str(first + PAGE) if len(names) > first + PAGE else None


def _group(name: str, group: Group) -> dict[str, Any]:
    return {
        "name": clean(name, 40),
        "trades": group.closed,
        "won": group.wins,
        "net": brief_number(group.net),
        "fees": brief_number(group.fees),
        "unrealised": brief_number(group.unrealised) if group.unrealised else None,
    }


TOOLS = (Entry(get_performance, "Performance"),)
