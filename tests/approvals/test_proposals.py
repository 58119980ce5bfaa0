"""An entry over the limit waits; what a person says counts once, in time, and against everything in force then."""

import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from desk.stage import BTC, ETH, STEP, buy, flat, on
from desk.test_controls import crossing
from trade_mcp import __version__
from trade_mcp.app import App
from trade_mcp.domain.approvals import By
from trade_mcp.domain.errors import IdConflict, NotWaiting
from trade_mcp.domain.events import Denied, TradingState
from trade_mcp.domain.order import OrderRequest, OrderType, Side, Source
from trade_mcp.office.told import told
from trade_mcp.store import history, proposals
from trade_mcp.store.verify import rebuild, verify

Stage = Callable[..., App]


def asked(app: App, size: Any = "12", order_id: str = "big", **more: Any) -> str:
    """The id of the proposal that a buy over the limit becomes."""
    receipt = app.gate.submit(buy(order_id, size, **more), Source.MODEL)
    assert receipt.outcome == "proposed" and receipt.proposal is not None, receipt.message
    return receipt.proposal.proposal_id


def denials(app: App) -> list[str]:
    return [event.why for event in history.events(app.engine, (Denied,)) if isinstance(event, Denied)]


def later(app: App, seconds: float) -> None:
    """Let real time pass for ``app`` alone."""
    real = app.clock.real
    app.clock.real = lambda: real() + timedelta(seconds=seconds)  # type: ignore[method-assign]


def test_just_inside_nobody_is_asked_and_just_beyond_it_waits(stage: Stage) -> None:
    app = stage(flat(400), eth=flat(400))
    assert app.gate.submit(buy("inside", "9.99"), Source.MODEL).outcome == "placed"
    before = app.log.refresh()
    proposal_id = asked(app, "10.01", symbol=ETH)
    now = app.log.refresh()
    assert list(now.proposals) == [proposal_id]
    assert (now.cash, now.orders, now.positions) == (before.cash, before.orders, before.positions)
    assert app.venue.order(buy("big")) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ask", "size", "outcome"),
    [("never", "14", "placed"), ("always", "0.1", "proposed"), ("outside-policy", "14", "proposed")],
)
def test_who_is_asked_is_a_limit(stage: Stage, ask: str, size: str, outcome: str) -> None:
    assert stage(limits={"ask": ask}).gate.submit(buy("a", size), Source.MODEL).outcome == outcome


def test_a_refusal_asks_nobody(stage: Stage) -> None:
    app = stage()
    assert app.gate.submit(buy("a", "16"), Source.MODEL).refused
    assert app.log.refresh().proposals == {}


def test_an_approved_entry_is_placed_protected_and_told(stage: Stage) -> None:
    app = stage()
    receipt = app.proposals.approve(asked(app), By.TERMINAL)
    assert receipt.outcome == "placed" and receipt.order is not None
    book = app.log.refresh()
    assert book.positions[BTC].owner is Source.MODEL and not book.unprotected() and not book.proposals
    found = proposals.newest(app.engine, waiting=False, limit=5)
    assert [(one.status, one.decided_by) for one in found] == [("approved", "terminal")]
    kinds = [event for event in history.events(app.engine, (*_kinds(),))]
    assert [told(event) for event in kinds][:2] == [
        "model asked to buy 12 BTC/USDT; a person decides it until " + f"{found[0].proposal.expires_at:%H:%M:%S} UTC",
        "a person approved it (terminal)",
    ]
    assert verify(app.engine, code=__version__).sound
    rebuild(app.engine, code=__version__)
    assert proposals.newest(app.engine, waiting=False, limit=5) == found


def test_the_first_answer_is_the_only_one(stage: Stage) -> None:
    app = stage()
    proposal_id = asked(app)
    app.proposals.reject(proposal_id, By.TERMINAL, reason="too much")
    for again in (app.proposals.approve, app.proposals.reject):
        with pytest.raises(NotWaiting, match="rejected"):
            again(proposal_id, By.TERMINAL)
    assert app.gate.submit(buy("big", "12"), Source.MODEL).refused
    assert len(denials(app)) == 2 and not app.log.refresh().positions


def test_of_two_processes_that_answer_at_once_one_counts(stage: Stage) -> None:
    desks = [stage(), stage()]
    for turn in range(6):
        size = D("10.5") + turn / D(100)
        proposal_id = asked(desks[0], size, f"race-{turn}")
        told: list[str] = []
        barrier = threading.Barrier(2)

        def answer(app: App, yes: bool, number: str = proposal_id, said: list[str] = told, at: Any = barrier) -> None:
            at.wait()
            try:
                said.append(app.proposals.approve(number, By.TERMINAL).outcome if yes else "")
                if not yes:
                    app.proposals.reject(number, By.TERMINAL)
                    said[-1] = "rejected"
            except NotWaiting:
                said[:] = [one for one in said if one] + ["late"]

        threads = [threading.Thread(target=answer, args=(desk, turn % 2 == n)) for n, desk in enumerate(desks)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert sorted(one for one in told if one) in (["late", "placed"], ["late", "rejected"]), told
        placed = desks[0].log.order(f"race-{turn}") is not None
        assert placed == ("placed" in told)
        if placed:
            desks[0].gate.close(BTC, D(1), Source.MODEL, reason="again", order_id=f"out-{turn}")
        desks[0].clock.advance_to(desks[0].clock.market() + STEP)
        for desk in desks:
            desk.heartbeats.beat("watch", {})


def test_what_nobody_answered_expires_in_real_time(stage: Stage) -> None:
    app = stage(limits={"approval_window_s": 30})
    proposal_id = asked(app)
    later(app, 29)
    on(app)
    assert proposal_id in app.log.refresh().proposals
    later(app, 2)
    with pytest.raises(NotWaiting, match="expired"):
        app.proposals.approve(proposal_id, By.TERMINAL)
    app.watch.step()
    assert app.log.refresh().proposals == {}
    assert proposals.newest(app.engine, waiting=False, limit=1)[0].status == "expired"
    again = app.gate.submit(buy("big", "12"), Source.MODEL)
    assert again.refused and "expired" in again.message


def test_another_desks_proposal_is_not_found_here(stage: Stage) -> None:
    app = stage()
    with pytest.raises(NotWaiting, match="no proposal"):
        app.proposals.approve("0123456789", By.TERMINAL)
    assert len(denials(app)) == 1


@pytest.mark.parametrize(("close", "outcome"), [(100.9, "placed"), (101.2, "refused"), (98.9, "refused")])
def test_a_yes_counts_only_near_the_price_that_was_shown(stage: Stage, close: float, outcome: str) -> None:
    app = stage([*flat(230), (100.01, max(close, 100.01), min(close, 100.01), close), *flat(20, close)])
    proposal_id = asked(app)
    app.clock.advance_to(app.clock.market() + STEP)
    app.heartbeats.beat("watch", {})
    receipt = app.proposals.approve(proposal_id, By.TERMINAL)
    assert receipt.outcome == outcome, receipt.message
    if outcome == "refused":
        assert "at which a person was asked" in receipt.message
        assert proposal_id in app.log.refresh().proposals  # it waits on: the price may come back


def test_a_yes_is_held_against_every_rule_of_now(stage: Stage) -> None:
    app = stage(flat(400), eth=flat(400))
    proposal_id = asked(app)
    app.gate.set_state(TradingState.HALTED, Source.OPERATOR, reason="test")
    assert [v.rule for v in app.proposals.approve(proposal_id, By.TERMINAL).failed] == ["trading_state"]
    app.gate.resume(Source.OPERATOR, reason="test")
    app.gate.submit(buy("more", "9.9", type=OrderType.LIMIT, limit_price=D("99")), Source.MODEL)
    app.gate.submit(buy("most", "4.9", type=OrderType.LIMIT, limit_price=D("99.5")), Source.MODEL)
    assert "concentration" in [v.rule for v in app.proposals.approve(proposal_id, By.TERMINAL).failed]
    app.gate.cancel("more", Source.MODEL, reason="test")
    assert app.proposals.approve(proposal_id, By.TERMINAL).outcome == "placed"


def test_one_question_about_a_symbol_at_a_time(stage: Stage) -> None:
    app = stage(flat(400), eth=flat(400))
    asked(app)
    second = app.gate.submit(buy("again", "11"), Source.MODEL)
    assert second.refused and "waits for a person already" in second.message
    asked(app, "11", "other", symbol=ETH)
    with pytest.raises(IdConflict):
        app.gate.submit(buy("big", "13"), Source.MODEL)


@pytest.mark.parametrize("how", ["close", "sell"])
def test_the_id_of_a_waiting_entry_is_not_free_for_a_sale(stage: Stage, how: str) -> None:
    app = stage()
    app.gate.submit(buy("held", "1"), Source.MODEL)
    proposal_id = asked(app, "11", "x")
    with pytest.raises(IdConflict, match="put to a person"):
        if how == "close":
            app.gate.close(BTC, D("0.5"), Source.MODEL, reason="test", order_id="x")
        else:
            app.gate.submit(OrderRequest(order_id="x", symbol=BTC, side=Side.SELL, size=D("0.5")), Source.MODEL)
    assert app.proposals.approve(proposal_id, By.TERMINAL).outcome == "placed"
    on(app)
    assert app.log.refresh().positions[BTC].size > 11 and not app.log.book.breaks


def test_a_yes_never_takes_the_place_of_an_order_of_its_id(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    app = stage()
    app.gate.submit(buy("held", "1"), Source.MODEL)
    proposal_id = asked(app, "11", "x")
    with monkeypatch.context() as before:  # a ledger of when a sale could take the id
        before.setattr(app.gate.asking, "asked_before", lambda *_: None)
        app.gate.close(BTC, D("0.5"), Source.MODEL, reason="test", order_id="x")
    with pytest.raises(IdConflict, match="known with other content"):
        app.proposals.approve(proposal_id, By.TERMINAL)
    on(app)
    sold = app.log.order("x")
    assert sold is not None and sold.side is Side.SELL
    assert app.log.refresh().positions[BTC].size < 1


def test_preview_says_that_a_person_would_be_asked(stage: Stage) -> None:
    app = stage()
    preview = app.gate.preview(buy("a", "12"), Source.MODEL)
    assert (preview.allowed, preview.asks) == (False, True)
    assert app.log.refresh().proposals == {}


def test_the_loop_stays_below_what_needs_a_person(stage: Stage) -> None:
    app = stage(crossing(), loop={"risk_per_trade": "0.01"})
    for _ in range(40):
        on(app)
        app.decide.step()
        if (position := app.log.refresh().positions.get(BTC)) is not None:
            assert D("0.098") < position.cost / D(10_000) < D("0.1002")  # the fill pays half a spread
            return
    raise AssertionError("it never entered")


def test_a_loop_that_must_ask_goes_on_meanwhile(stage: Stage) -> None:
    app = stage(crossing(), limits={"ask": "always"})
    actions = []
    for _ in range(40):
        on(app)
        (decision,) = app.decide.step().decisions
        actions.append(decision.action)
        if app.log.refresh().proposals:
            break
    assert actions[-1] == "proposed"
    on(app)
    assert app.decide.step().decisions[0].action == "none"
    (proposal_id,) = app.log.refresh().proposals
    assert app.proposals.approve(proposal_id, By.TERMINAL).outcome == "placed"
    assert app.log.refresh().positions[BTC].owner is Source.LOOP


def _kinds() -> tuple[Any, ...]:
    from trade_mcp.domain import events as e

    return e.ProposalMade, e.ProposalDecided
