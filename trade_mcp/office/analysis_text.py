"""The analysis for people, in 80 columns: what the desk is worth, what it holds, and how it got there."""

from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from trade_mcp.office.figures import amount, clean, clock, percent, price, ratio

Body = Mapping[str, Any]

SHORT = {"max_drawdown": "worst drawdown"}


def show(body: Body, file: TextIO | None = None) -> None:
    """Print ``body``, the JSON of an analysis, to ``file`` (stdout if not given)."""
    out = Console(file=file, markup=False, highlight=False)
    out.print(_title(body))
    if not body["mode"]:
        out.print(Text(f"\n{body['hint']}"))
        return
    out.print(_worth(body))
    for table in (_positions(body), *_groups(body)):
        if table is not None:
            out.print(table)
    for line in _lines(body):
        out.print(line)
    if "hint" in body:
        out.print(Text(f"\n{body['hint']}"))


def _title(body: Body) -> Text:
    title = Text("Portfolio", style="bold")
    if body["mode"]:
        title.append(f"  {clean(body['mode'])}, {clean(body['feed'], 60)}", style="not bold")
    if body["synthetic"]:
        title.append("\nSYNTHETIC: these prices are made up", style="bold yellow")
    if body["as_of"]:
        title.append(f"\nas of {clock(body['as_of'])} UTC (market time)", style="not bold dim")
    return title


def _worth(body: Body) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for number, column in enumerate(("", "", "", "")):
        table.add_column(column, justify="right" if number % 2 else "left")
    unit = clean(body["currency"])
    for key, second in (
        ("equity", "drawdown"),
        ("cash", "max_drawdown"),
        ("realised", "exposure"),
        ("unrealised", "heat"),
        ("fees", None),
    ):
        right = (SHORT.get(second, second), percent(body[second])) if second else ("state", clean(body["state"]))
        table.add_row(key, f"{amount(body[key])} {unit}", *right)
    return table


def _positions(body: Body) -> Table | None:
    if not body["positions"]:
        return None
    table = _table("Positions", "symbol", "size", "entry", "mark", "stop", "target", "profit", "owner")
    for held in body["positions"]:
        table.add_row(
            clean(held["symbol"]),
            price(held["size"]),
            *(price(held[key]) for key in ("entry", "mark", "stop", "target")),
            amount(held["unrealised"]),
            clean(held["owner"]),
        )
    return table


def _groups(body: Body) -> Iterator[Table | None]:
    for key, title in (("by_strategy", "By strategy"), ("by_symbol", "By symbol"), ("by_source", "By source")):
        if not body[key]:
            yield None
            continue
        table = _table(title, "", "closed", "won", "factor", "realised", "fees", "unrealised")
        for name, group in body[key].items():
            table.add_row(
                clean(name, 20),
                str(group["closed"]),
                percent(group["win_rate"], places=0),
                ratio(group["profit_factor"]),
                *(amount(group[column]) for column in ("realised", "fees", "unrealised")),
            )
        yield table


def _lines(body: Body) -> Iterator[Text]:
    yield Text(f"\nSince {clock(body['since'])} UTC" if body["since"] else "\nSince the beginning", style="bold")
    orders, trades = body["orders"], body["trades"]
    yield Text(f"orders    {orders['total']}: {counts(orders['by_source'])}; {counts(orders['by_status'])}")
    yield Text(f"fills     {body['fills']}")
    yield Text(
        f"trades    {trades['closed']} closed, {trades['wins']} won, {trades['losses']} lost: "
        f"win rate {percent(trades['win_rate'])}, profit factor {_factor(trades)}"
    )
    if trades["closed"]:
        unit = clean(body["currency"])
        yield Text(
            f"          {amount(trades['expectancy'])} {unit} a trade after fees, {amount(trades['net'])} in all"
        )
    yield Text(f"refusals  {counts(body['refusals'])}")
    for symbol in body["unpriced"]:
        yield Text(f"{clean(symbol)} has no price here: equity is not known", style="yellow")
    for symbol in body["unprotected"]:
        yield Text(f"{clean(symbol)} has no live stop", style="bold red")
    if body["state_reason"]:
        yield Text(f"{clean(body['state'])} because {clean(body['state_reason'])}", style="yellow")


def _factor(trades: Body) -> str:
    if trades["profit_factor"] is None:
        return "unknown (nothing lost yet)" if trades["closed"] else "-"
    return ratio(trades["profit_factor"])


def _table(title: str, *columns: str) -> Table:
    table = Table(title=f"\n{title}", title_justify="left", title_style="bold", box=None, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 or column == "owner" else "right", header_style="dim")
    return table


def counts(of: Mapping[str, int]) -> str:
    """Names with their numbers, as the JSON has them: most frequent first."""
    return ", ".join(f"{count} {clean(name)}" for name, count in of.items()) or "none"
