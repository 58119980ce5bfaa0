"""Pace: how often the desk may enter, in market time. Only accepted entries count."""

from bisect import bisect_right
from datetime import datetime, timedelta
from operator import attrgetter

from trade_mcp.domain.book import Book, brake_key
from trade_mcp.risk.policy import Policy
from trade_mcp.risk.proposal import Proposal
from trade_mcp.risk.verdict import Verdict

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
entered_at = attrgetter("at")


def duplicate(proposal: Proposal, policy: Policy) -> Verdict | None:
    """No other entry of the same symbol, side and size within ``policy.duplicate_window_s``.

    The same order asked for again under its own id never comes here: the gate knows it.
    """
    order, now = proposal.order, proposal.view.now
    if order is None:
        return None
    for entered in reversed(proposal.book.entered):
        age = (now - entered.at).total_seconds()
        if age >= policy.duplicate_window_s:
            break
        if entered.symbol == order.symbol and entered.side is order.side and entered.size == order.size:
            return Verdict("duplicate", False, age, policy.duplicate_window_s, ("twin", order.size, order.symbol))
    return Verdict("duplicate", True, None, policy.duplicate_window_s, ("none", order.size, order.symbol))


def repeats(proposal: Proposal, policy: Policy) -> Verdict:
    """Entries of one strategy in one symbol within an hour, with this one. Once refused, a person must look."""
    book, who, symbol, limit = proposal.book, proposal.who, proposal.symbol, policy.max_repeats_per_hour
    if book.brakes and brake_key("repeats", repeats_scope(who, symbol)) in book.brakes:
        return Verdict("repeats", False, None, limit, ("held", who, symbol))
    after = repeated(book, who, symbol, now=proposal.view.now) + 1
    return Verdict("repeats", after <= limit, after, limit, ("count", who, symbol))


def repeated(book: Book, who: str, symbol: str, *, now: datetime) -> int:
    """Entries of ``who`` in ``symbol`` within the last hour."""
    since, count = now - HOUR, 0
    for entered in reversed(book.entered):
        if entered.at <= since:
            break
        if entered.symbol == symbol and entered.strategy == who:
            count += 1
    return count


def repeats_scope(who: str, symbol: str) -> str:
    """What the brake ``repeats`` holds."""
    return f"{who} {symbol}"


def orders_per_minute(proposal: Proposal, policy: Policy) -> Verdict:
    """Entries of the last minute, with this one."""
    return _rate("orders_per_minute", proposal, since=proposal.view.now - MINUTE, limit=policy.max_orders_per_minute)


def orders_per_day(proposal: Proposal, policy: Policy) -> Verdict:
    """Entries of the last 24 hours, with this one."""
    return _rate("orders_per_day", proposal, since=proposal.view.now - DAY, limit=policy.max_orders_per_day)


def _rate(rule: str, proposal: Proposal, *, since: datetime, limit: int) -> Verdict:
    entered = proposal.book.entered
    after = len(entered) - bisect_right(entered, since, key=entered_at) + 1
    return Verdict(rule, after <= limit, after, limit)
