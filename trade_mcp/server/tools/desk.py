"""Desk tools: is everything alive, and why did it do what it did."""

from datetime import datetime
from typing import TYPE_CHECKING

from trade_mcp.office.health import ProgramHealth
from trade_mcp.office.plain import lasting
from trade_mcp.server.shapes import Body
from trade_mcp.server.tool import Entry
from trade_mcp.server.untrusted import around, clean, marked
from trade_mcp.store import memory, outbox

if TYPE_CHECKING:
    from trade_mcp.app import App

SYMBOLS = 12  # whose last decision is shown


def get_status(desk: "App") -> Body:
    """Is the desk alive: state, programs, missed ticks, problems, and the loop's last decisions with their reasons.

    Call it first in a conversation, and whenever nothing seems to happen.
    """
    now = desk.health()
    problems = (*now.problems, *_other_limits(desk), *_switched_off(desk))
    return {
        "state": now.state,
        "state_reason": marked(now.state_reason) or None,
        "cleared_by": desk.trading.cleared_by(desk.log.book) or None,
        "account": now.account,
        "exchange": _exchange(desk),
        "problems": [around(problem, now.state_reason) for problem in problems],
        "programs": _signs(now.programs),
        "ticks": {"since": now.ticks.since, "due": now.ticks.due, "missed": now.ticks.missed},
        "channels": _channels(desk, now.programs),
        "market_time_ends": now.feed_end,
        "last_decisions": [line for symbol in desk.market.symbols[:SYMBOLS] for line in _last_decision(symbol, desk)],
    }


def _signs(programs: tuple[ProgramHealth, ...]) -> dict[str, str]:
    """When each program last gave a sign (real time), and how long it has been running."""
    newest = {sign.program: sign for sign in reversed(programs)}
    return {
        name: f"{sign.age_s:.0f} s ago, up {lasting(sign.up_s)}" if sign.alive else f"gone for {lasting(sign.age_s)}"
        for name, sign in sorted(newest.items())
    }


def _exchange(desk: "App") -> Body | None:
    """Of a real exchange: what rests there and what the desk watches, how old its list is, how much it was asked."""
    state = getattr(desk.venue, "state", None)
    return None if state is None else state()


def _channels(desk: "App", programs: tuple[ProgramHealth, ...]) -> dict[str, str] | None:
    """What each way to a person (mail, webhook) has not delivered, for how long and why; None without any."""
    clerk = next((sign for sign in programs if sign.program == "clerk" and sign.alive), None)
    served = None if clerk is None else clerk.detail.get("channels")
    names = served if isinstance(served, list) else []
    known = {one.channel: one for one in outbox.states(desk.engine)}
    now = desk.clock.real()
    return {name: _undelivered(known.get(name), now=now) for name in sorted({*names, *known})} or None


def _undelivered(one: outbox.ChannelState | None, *, now: datetime) -> str:
    if one is None or not (one.queued or one.failed):
        return "well: nothing waits"
    said = [f"{one.failed} failed for good"] if one.failed else []
    if one.since is not None:
        said.append(f"{one.queued} wait, the first for {lasting((now - one.since).total_seconds())}")
    return clean("; ".join((*said, one.error)) if one.error else "; ".join(said))


def _switched_off(desk: "App") -> list[str]:
    return [] if desk.settings.loop.enabled else ["the loop is switched off (loop.enabled): nothing trades by itself"]


def _other_limits(desk: "App") -> list[str]:
    keys = ", ".join(key for key, _, _ in desk.policy_changes())
    return [f"this server's limits differ from those in force ({keys}): `trade-mcp policy adopt`"] if keys else []


def _last_decision(symbol: str, desk: "App") -> list[Body]:
    return [
        {
            "symbol": last.symbol,
            "action": last.action,
            "reason": clean(last.reason, 240),
            "strength": last.strength,
            "at": last.at,
            "order_id": last.order_id or None,
        }
        for last in memory.decisions(desk.engine, symbol=symbol, limit=1)
    ]


TOOLS = (Entry(get_status, "Desk status"),)
