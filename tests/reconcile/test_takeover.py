"""What was external becomes the desk's by a person's word alone, protected like any other position."""

from collections.abc import Callable
from decimal import Decimal as D

import pytest

from desk.stage import BTC, STOP_2, WARM, buy, flat, on, watched
from desk.test_order_life import sound, stops
from trade_mcp.app import App
from trade_mcp.domain.errors import BadInput, RefusedError
from trade_mcp.domain.order import Role, Source
from trade_mcp.office.explain import explain
from trade_mcp.store import reads
from trade_mcp.store.verify import verify

Stage = Callable[..., App]
HELD = {"cash": "12000", "holdings": {"BTC": "2.004"}}


def test_coins_become_a_position_with_owner_and_exits_and_no_profit(stage: Stage) -> None:
    app = stage(paper=HELD)
    assert app.log.book.external == {"BTC": D("2.004"), "USDT": D(2000)}
    watched(app)
    assert stops(app) == []  # what is external is not protected, and nobody's to sell
    bid = app.market.quote(BTC).bid
    position = app.takeover.coins(BTC, size=None, entry=D(80), reason="mine since May", takeover_id="1")
    now = app.portfolio()
    assert (position.size, position.entry, position.owner) == (D("2.00400"), D(80), Source.OPERATOR)
    assert app.log.book.external["BTC"] == 0
    ((_, size, trigger),) = stops(app)
    assert size == D("2.004") and trigger is not None and D(80) < trigger < bid  # counted from the price of now
    assert now.deposits == 10_000 + D("2.004") * 80 and now.realised == 0 and now.fees == 0
    assert now.drawdown == 0 and app.log.book.peak_equity == 10_000 + D("2.004") * bid
    sound(app)
    story = explain(app.log, "takeover-1")
    assert story.outcome == "open" and story.source is Source.OPERATOR
    on(app)
    assert verify(app.engine, code="x").sound
    assert app.gate.close(BTC, D(1), Source.MODEL, reason="x", order_id="c").outcome == "closed"
    sound(app)


def test_a_taken_over_position_keeps_its_stop_over_a_restart(stage: Stage) -> None:
    bars = [*flat(WARM + 1), (100, 100, 90, 91), *flat(20, 91.0)]
    app = stage(bars, paper=HELD)
    app.takeover.coins(BTC, size=D(1), entry=None, reason="x", takeover_id="1")
    again = stage(bars, paper=HELD)
    on(again, 3)
    book = again.log.refresh()
    assert book.positions == {} and book.external["BTC"] == D("1.004")
    assert {order.role for order in reads.orders(again.engine)[0] if order.filled} == {Role.ENTRY, Role.STOP}
    sound(again)


def test_what_joins_a_position_of_the_loop_makes_it_the_operators(stage: Stage) -> None:
    app = stage(paper=HELD)
    app.gate.submit(buy(exits=STOP_2), Source.LOOP)
    position = app.takeover.coins(BTC, size=D("0.5"), entry=D(90), reason="x", takeover_id="1")
    assert position.size == D("1.5") and position.owner is Source.OPERATOR
    assert [size for _, size, _ in stops(app)] == [D("1.5")]
    sound(app)


def test_money_becomes_capital(stage: Stage) -> None:
    app = stage(paper=HELD)
    assert app.takeover.cash(amount=D(1500), reason="more", takeover_id="1") == 1500
    now = app.portfolio()
    assert (now.cash, now.deposits, now.equity, now.external["USDT"]) == (11_500, 11_500, 11_500, 500)
    sound(app)


def test_what_cannot_be_taken_over_says_why(stage: Stage) -> None:
    app = stage(paper=HELD, limits={"protected": {"BTC": "1.5"}})
    with pytest.raises(RefusedError, match=r"keeps 1\.5 of BTC"):
        app.takeover.coins(BTC, size=D(1), entry=None, reason="x", takeover_id="1")
    for size, entry, why in (("3", None, "cannot be taken"), ("0.000001", None, "lots"), ("0.5", "NaN", "no sense")):
        with pytest.raises(BadInput, match=why):
            app.takeover.coins(
                BTC, size=D(size), entry=None if entry is None else D(entry), reason="x", takeover_id="1"
            )
    with pytest.raises(BadInput, match="external"):
        stage().takeover.cash(amount=D(9000), reason="x", takeover_id="1")
    assert app.takeover.coins(BTC, size=D("0.5"), entry=None, reason="x", takeover_id="1").size == D("0.5")
