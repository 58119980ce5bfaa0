"""State: whether the desk may act at all: trading state, one policy, somebody watching, book and venue agreeing."""

from datetime import datetime

from trade_mcp.domain.book import Book
from trade_mcp.domain.events import TradingState
from trade_mcp.domain.order import Role
from trade_mcp.risk.brakes import rests_until
from trade_mcp.risk.policy import Policy
from trade_mcp.risk.proposal import Kind, Proposal
from trade_mcp.risk.verdict import Verdict

AGREED = Verdict("venue_break", True, None, None, ("", ""))
PROTECTIVE = frozenset({Role.CLOSE, Role.STOP, Role.TARGET})


def trading_state(proposal: Proposal, policy: Policy) -> Verdict:
    """Active: everything. Reducing: reductions and cancels. Halted: cancels and protective reductions."""
    book, halted, kind, order = proposal.book, proposal.view.halted, proposal.kind, proposal.order
    state, reason = (TradingState.HALTED, halted) if halted else (book.state, book.state_reason)
    if state is TradingState.ACTIVE:
        return Verdict("trading_state", True, state, None, (kind, reason))
    if kind is Kind.CANCEL:
        passed = True
    elif state is TradingState.REDUCING:
        passed = kind is Kind.REDUCE
    else:
        passed = kind is Kind.REDUCE and order is not None and order.role in PROTECTIVE
    until = None if halted else held_until(book)
    return Verdict("trading_state", passed, state, until, (kind, reason))


def held_until(book: Book) -> datetime | None:
    """When trading is active again by itself; None: when a person resumes."""
    ends = [brake.until for brake in book.brakes.values() if brake.effect is not TradingState.ACTIVE]
    if book.asked is not TradingState.ACTIVE or not ends or None in ends:
        return None
    return max(end for end in ends if end is not None)


def loss_streak(proposal: Proposal, policy: Policy) -> Verdict:
    """A strategy that lost ``policy.loss_streak`` trades in a row rests for ``policy.cooldown_min``."""
    who = proposal.who
    streak = proposal.book.streaks.get(who)
    if streak is None:
        return Verdict("loss_streak", True, 0, policy.loss_streak, (who, None))
    end = rests_until(streak, policy)
    rests = streak.losses >= policy.loss_streak and proposal.view.now < end
    return Verdict("loss_streak", not rests, streak.losses, policy.loss_streak, (who, end if rests else None))


def policy_in_force(proposal: Proposal, policy: Policy) -> Verdict:
    """The limits this process was started with are the ones the ledger has in force."""
    view, book = proposal.view, proposal.book
    return Verdict("policy_in_force", view.policy_here == book.policy, view.policy_here, book.policy, view.policy_keys)


def watcher_alive(proposal: Proposal, policy: Policy) -> Verdict:
    """Somebody watched the exits within ``policy.max_exit_silence_s`` of real time."""
    silence, limit = proposal.view.watcher_silence_s, policy.max_exit_silence_s
    return Verdict("watcher_alive", silence is not None and silence <= limit, silence, limit)


def venue_break(proposal: Proposal, policy: Policy) -> Verdict:
    """Book and venue agree about both currencies of the symbol."""
    breaks = proposal.book.breaks
    if not breaks:
        return AGREED
    broken = next((currency for currency in proposal.symbol.split("/") if currency in breaks), "")
    return Verdict("venue_break", not broken, None, None, (broken, breaks.get(broken, "")))
