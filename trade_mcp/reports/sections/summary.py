"""What happened, in sentences."""

from trade_mcp.domain.events import TradingState
from trade_mcp.domain.instrument import ZERO
from trade_mcp.office.figures import amount, clean, gain, listed, many, percent, signed
from trade_mcp.office.reporting import Report
from trade_mcp.reports.blocks import Section, Words


def section(report: Report) -> Section:
    return Section("What happened", (Words(tuple(sentences(report))),))


def sentences(report: Report) -> list[str]:
    """The report in a few sentences."""
    if not len(report.curve):
        return ["Nothing happened in this period." if report.found.now.mode else "Nothing has happened yet."]
    return [
        _money(report),
        _trades(report),
        _beside(report),
        *_worst(report),
        *_refused(report),
        *_now(report),
    ]


def _money(report: Report) -> str:
    worth, unit = report.worth, report.found.now.currency
    said = f"Equity went from {amount(worth.start)} to {amount(worth.end)} {unit}"
    if worth.flow:
        said += f", of which {signed(worth.flow)} came by other hands"
    return f"{said}: {signed(worth.change)}, {gain(worth.growth)}."


def _trades(report: Report) -> str:
    found, unit = report.found, report.found.now.currency
    trades = found.trades
    if not trades.closed:
        opened = many(found.fills, "fill") if found.fills else "nothing was traded"
        return f"No trade was closed; {opened}."
    paid = sum((trade.fees for trade in report.trades), ZERO)
    fees = f"after {amount(paid)} of fees" if paid else "without fees"
    what = "made" if trades.net > 0 else "lost" if trades.net < 0 else "made and lost nothing:"
    return (
        f"{many(trades.closed, 'trade')} closed, {trades.wins:,} won and {trades.losses:,} lost: together they {what} "
        f"{amount(abs(trades.net))} {unit} {fees}."
    )


def _beside(report: Report) -> str:
    held = report.baseline
    if held.growth is None:
        return f"What holding the same symbols would have made is unknown: {held.unknown}. Doing nothing makes 0%."
    without = f" ({listed(list(held.without))} left out: no candles)" if held.without else ""
    return (
        f"Holding {listed(list(held.symbols))} in equal parts{without} would have made {gain(held.growth)} before "
        f"costs; doing nothing, 0%."
    )


def _worst(report: Report) -> list[str]:
    deepest = report.found.max_drawdown
    return [f"The deepest fall from a peak was {percent(deepest, places=2)}."] if deepest else []


def _refused(report: Report) -> list[str]:
    if not (rules := report.found.refusals):
        return []
    reasons = [f"{rule.replace('_', ' ')} ({many(count, 'time')})" for rule, count in rules.items()]
    return [f"Requests were refused by {listed(reasons)}."]


def _now(report: Report) -> list[str]:
    now, said = report.found.now, []
    if report.span.ends:
        return []
    if now.state is not TradingState.ACTIVE:
        said.append(f"Trading is {now.state}: {clean(now.state_reason, 200)}.")
    if now.unprotected:
        said.append(f"{listed(list(now.unprotected))} has no live stop.")
    if now.unpriced:
        said.append(f"{listed(list(now.unpriced))} has no price: equity now is unknown.")
    return said
