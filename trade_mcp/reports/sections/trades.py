"""The trades that closed, with how far the price went for and against them before the exit."""

from datetime import timedelta

from trade_mcp.office.figures import clean, many, percent, price, signed
from trade_mcp.office.reporting import Closed, Report
from trade_mcp.quant.excursions import Excursion
from trade_mcp.reports.blocks import Block, Cell, Chart, Section, Table, toned
from trade_mcp.reports.charts import excursion_chart
from trade_mcp.reports.mark import mark, titled

MOST = 25
FEW = 5  # points until a picture of them says anything
NOTE = (
    "Below each trade: who opened it, when, and how long it was held. Best and worst: how far the price went for and "
    "against the trade before its exit (MFE, MAE), in percent of the entry, from the whole candles inside it."
)


def section(report: Report) -> Section | None:
    if not report.trades:
        return None
    shown = report.trades[: -MOST - 1 : -1]
    notes = [NOTE]
    if any(trade.excursion is None for trade in shown):
        notes.append("Unknown where no candle lies inside the trade, or none is here.")
    if any(trade.excursion is not None and trade.excursion.missing for trade in shown):
        notes.append("* Some candles are missing: at least so far.")
    if left := len(report.trades) - len(shown):
        notes.append(f"The newest {len(shown)}; {many(left, 'earlier one')} in the JSON.")
    columns = ("trade", "exit", f"net, {report.found.now.currency}", "best, worst")
    table = Table(columns, tuple(map(_row, shown)), left=2, note=" ".join(notes))
    return Section(titled("Trades", report), (*_chart(report), table))


def _chart(report: Report) -> tuple[Block, ...]:
    known = [(trade.excursion, trade.net > 0) for trade in report.trades if trade.excursion is not None]
    if len(known) < FEW:
        return ()
    won = [one.worst for one, good in known if good]
    alt = f"{many(len(known), 'trade')} by how far the price went against and for them"
    if won:
        alt += f"; none that won was ever more than {percent(max(won), places=2)} below its entry"

    def draw() -> bytes:
        worst, best = [one.worst for one, _ in known], [one.best for one, _ in known]
        return excursion_chart(worst, best, [good for _, good in known], mark=mark(report))

    return (Chart("excursions", alt, draw),)


def _row(trade: Closed) -> tuple[Cell, ...]:
    whose = clean(trade.strategy, 20) or trade.source
    return (
        Cell(trade.symbol, f"{whose}, {trade.opened:%m-%d %H:%M}, {_length(trade.closed - trade.opened)}"),
        Cell(trade.exit_kind, f"{price(trade.entry)} to {price(trade.exit)}"),
        toned(signed(trade.net), float(trade.net)),
        _went(trade.excursion),
    )


def _went(excursion: Excursion | None) -> Cell:
    if excursion is None:
        return Cell("unknown")
    star = "*" if excursion.missing else ""
    return Cell(f"+{percent(excursion.best, places=2)}{star}", f"-{percent(excursion.worst, places=2)}{star}")


def _length(length: timedelta) -> str:
    """A length of time in its two largest units.

    >>> _length(timedelta(hours=50, minutes=3)), _length(timedelta(seconds=90))
    ('2d 2h', '1m')
    """
    minutes = int(length.total_seconds() // 60)
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days}d {hours}h"
    return f"{hours}h {rest}m" if hours else f"{rest}m"
