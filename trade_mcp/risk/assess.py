"""Assess: every rule that applies to a proposal, all at once, so that the asker learns every reason."""

from collections.abc import Iterable
from decimal import ROUND_FLOOR, Decimal

from trade_mcp.domain.book import Book, trader
from trade_mcp.domain.instrument import ZERO, Instrument
from trade_mcp.domain.order import Source
from trade_mcp.risk.clusters import cluster
from trade_mcp.risk.policy import OUTSIDE, SIZES, Policy
from trade_mcp.risk.proposal import Kind, Proposal, View
from trade_mcp.risk.rules import RULES
from trade_mcp.risk.rules.approval import unasked
from trade_mcp.risk.rules.size import stage_of
from trade_mcp.risk.standing import SLACK, standing
from trade_mcp.risk.verdict import Verdict

CENT = Decimal("1e-8")

_CHECKS = {kind: tuple(rule.check for rule in RULES if getattr(rule, kind.value)) for kind in Kind}
_NUMBERLESS = {
    kind: tuple(rule.check for rule in RULES if getattr(rule, kind.value) and not rule.numbers) for kind in Kind
}


def assess(proposal: Proposal, policy: Policy) -> tuple[Verdict, ...]:
    """The verdicts of all rules that apply to ``proposal``, ``finite`` first.

    If ``finite`` says no, only rules that need no number of the order are asked besides.
    """
    checks = (_CHECKS if proposal.unsound is None else _NUMBERLESS)[proposal.kind]
    return tuple([verdict for check in checks if (verdict := check(proposal, policy)) is not None])


def refused(verdicts: Iterable[Verdict]) -> bool:
    """Whether any rule said no; that a person is to be asked is none."""
    return not all(verdict.passed or unasked(verdict) for verdict in verdicts)


def to_ask(verdicts: Iterable[Verdict]) -> Verdict | None:
    """The verdict because of which a person is asked, if nothing but that stands in the way."""
    failed = [verdict for verdict in verdicts if not verdict.passed]
    return failed[0] if len(failed) == 1 and unasked(failed[0]) else None


def headroom_notional(
    book: Book,
    instrument: Instrument,
    view: View,
    policy: Policy,
    *,
    stop_fraction: Decimal,
    source: Source = Source.LOOP,
    strategy: str = "",
) -> Decimal:
    """The largest notional at the ask (quote currency, rounded down) that a market entry may have now.

    Under order notional and stage, what needs no person, concentration, cluster, exposure, cash with fees and
    ``SLACK``, heat of all and of the strategy, and trade risk, for a stop ``stop_fraction`` below the price (1: no
    stop). 0 while equity is unknown. The loop sizes its own orders to it.
    """
    now = standing(book, view.marks)
    if now.equity is None or not 0 < stop_fraction <= 1:
        return ZERO
    paid = 1 + instrument.taker_fee
    who = trader(source, strategy)
    together = cluster(instrument.symbol, now.notionals, known=view.correlations, least=policy.least_correlation)
    clustered = sum([now.notionals.get(symbol, ZERO) for symbol in together], ZERO)
    room = min(
        SIZES[stage_of(source, strategy, policy)[1]] * policy.max_order_notional * now.equity,
        (policy.approve_above if policy.ask == OUTSIDE else 1) * now.equity,
        policy.max_position * now.equity - now.notionals.get(instrument.symbol, ZERO),
        policy.max_cluster * now.equity - clustered,
        policy.max_exposure * now.equity - now.exposure,
        (book.cash - now.reserved * paid) / (paid * (1 + SLACK)),
        (policy.max_heat * now.equity - now.heat) / stop_fraction,
        (policy.max_heat_per_strategy * now.equity - now.heats.get(who, ZERO)) / stop_fraction,
        policy.max_trade_risk * now.equity / stop_fraction,
    )
    return room.quantize(CENT, ROUND_FLOOR) if room > 0 else ZERO
