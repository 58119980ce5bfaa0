"""The desk's risk for a person: every limit with its use, what tripped, when, and what clears it."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from trade_mcp.cli.options import Config, Json, desk, say
from trade_mcp.office.plain import plain

if TYPE_CHECKING:
    from trade_mcp.office.risk import Risk
    from trade_mcp.risk.uses import Use


def risk(config: Config = None, as_json: Json = False) -> None:
    """Every limit, its use and what is left; brakes that hold. Says since when, and what clears them.

    \b
    Examples:
      trade-mcp risk
      trade-mcp risk --json
    """
    with desk(config, "risk") as app:
        found = app.risk()
        say({**plain(found), "over": list(found.over)}, _text(found), as_json=as_json)


def _text(found: "Risk") -> str:
    equity = "unknown" if found.equity is None else f"{found.equity:.2f}"
    lines = [f"trading is {found.state} · equity {equity} · {found.as_of:%Y-%m-%d %H:%M} UTC"]
    if found.cleared_by:
        lines += [f"  because: {found.state_reason}", f"  cleared by: {found.cleared_by}"]
    for brake in found.brakes:
        scope = f" ({brake.scope})" if brake.scope else ""
        until = f", until {brake.until:%Y-%m-%d %H:%M} UTC" if brake.until is not None else ""
        lines.append(f"! {brake.brake}{scope} since {brake.since:%Y-%m-%d %H:%M} UTC{until}: {brake.reason}")
        lines.append(f"    cleared by {brake.cleared_by}")
    lines += [f"! {currency}: {why}" for currency, why in found.breaks.items()]
    for one in found.closed:
        opens = f"{one.opens_at:%Y-%m-%d %H:%M} UTC" if one.opens_at is not None else "nobody knows when"
        lines.append(f"! {one.symbol} is {one.why} until {opens}")
    rows = [("key", "limit", "use", "left", "of"), *(_row(use, over=found.over) for use in found.limits)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines += ["  ".join((*(row[n].ljust(widths[n]) for n in range(4)), row[4])).rstrip() for row in rows]
    together = [one for one in found.clusters if len(one.symbols) > 1]
    lines += [f"together: {', '.join(one.symbols)}, {_percent(one.share)} of equity" for one in together]
    lines.append(f"correlations: {found.correlations_of}")
    return "\n".join(lines)


def _row(use: "Use", *, over: tuple[str, ...]) -> tuple[str, str, str, str, str]:
    mark = " OVER" if use.key in over else ""
    return use.key, _shown(use.limit, use), _shown(use.use, use), _shown(use.headroom, use) + mark, use.title


def _shown(value: Any, use: "Use") -> str:
    from trade_mcp.risk.policy import FRACTIONS, LIMITS

    if value is None or value in ((), {}):
        return "-"
    if LIMITS[use.key].off and use.limit == 0 and value is use.limit:
        return "off"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal) and use.unit in FRACTIONS and use.unit != "correlation":
        return _percent(value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {'all' if size is None else size}" for name, size in value.items())
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value))
    return f"{value:.6g}" if isinstance(value, float | Decimal) else str(value)


def _percent(share: Decimal | None) -> str:
    return "unknown" if share is None else f"{share * 100:.2f} %"
