"""What the limits know of the world of a desk: sessions, correlations, what is protected, and an older ledger."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from desk.control_cases import WIDE
from desk.stage import BTC, ETH, STOP_2, buy, flat, on, watched
from server.serving import connected
from trade_mcp.app import App, build
from trade_mcp.domain.errors import BadConfig
from trade_mcp.domain.events import OrderRefused, PolicyAdopted, TradingState
from trade_mcp.domain.exits import ExitPlan
from trade_mcp.domain.order import OrderRequest, OrderType, Role, Side, Source
from trade_mcp.office.correlations import correlate
from trade_mcp.quant.correlation import Shrunk
from trade_mcp.risk.policy import check_policy, policy_hash
from trade_mcp.server.server import build_server
from trade_mcp.settings import load_settings
from trade_mcp.store import history
from trade_mcp.store.correlations import keep

Stage = Callable[..., App]
OPEN, CLOSED = datetime(2024, 1, 2, 14, 35, tzinfo=UTC), datetime(2024, 1, 2, 21, 5, tzinfo=UTC)  # New York


def at(app: App, moment: datetime) -> None:
    app.clock.advance_to(moment)
    app.heartbeats.beat("watch", {})
    watched(app)


def test_a_stock_is_bought_and_sold_in_its_session_only(stage: Stage) -> None:
    app = stage(flat(1000), calendar={"stocks": [BTC]})
    with connected(build_server(app)) as call:  # type: ignore[arg-type]
        order = {"symbol": BTC, "side": "buy", "size": "1", "stop_loss": "2%"}
        refused = call.refused("place_order", **order)  # New Year's Day
        assert "next session opens 2024-01-02 14:30 UTC" in refused["verdicts"][0]["reason"]
        assert call("get_risk")["closed"] == [{"symbol": BTC, "why": "closed", "opens_at": "2024-01-02T14:30:00Z"}]
        at(app, OPEN)
        call("place_order", **order, order_id="in")
        at(app, CLOSED)
        refused = call.refused("close_position", symbol=BTC)
        assert [verdict["rule"] for verdict in refused["verdicts"]] == ["session"]
        call("set_exits", symbol=BTC, stop_loss="1%")  # what rests at the venue may be placed at any time
        assert [leg.role for leg in app.log.refresh().exits(BTC)] == [Role.STOP]
        at(app, OPEN + timedelta(days=1))
        call("close_position", symbol=BTC)


def test_losses_of_a_stock_count_from_its_sessions_open(stage: Stage) -> None:
    app = stage(flat(1000), calendar={"stocks": [BTC]})
    at(app, OPEN)
    assert {str(base.at) for base in app.log.refresh().periods.values()} == {"2024-01-02 14:30:00+00:00"}


def test_what_moves_together_is_known_from_a_snapshot_of_the_day(stage: Stage) -> None:
    app = stage(flat(400), eth=flat(400), limits=WIDE | {"max_cluster": "0.03"})
    assert app.gate.submit(buy("ether", "2", ETH), Source.MODEL).outcome == "placed"
    refused = app.gate.submit(buy("unknown", "2"), Source.MODEL)
    assert [verdict.rule for verdict in refused.failed] == ["correlation"]
    assert "their correlations are not known and count as 1" in refused.message
    keep(app.engine, app.clock.market().date(), Shrunk({(BTC, ETH): 0.81}, 90, 0.1), real=app.clock.real())
    app.judge.correlations._read = None  # type: ignore[attr-defined]
    assert f"{BTC}, {ETH}, which move together" in app.gate.submit(buy("known", "2.1"), Source.MODEL).message
    keep(app.engine, app.clock.market().date(), Shrunk({(BTC, ETH): 0.79}, 90, 0.1), real=app.clock.real())
    app.judge.correlations._read = None  # type: ignore[attr-defined]
    assert app.gate.submit(buy("apart", "2.2"), Source.MODEL).outcome == "placed"


def test_an_old_snapshot_is_not_known_any_more(stage: Stage) -> None:
    app = stage(flat(400))
    now = app.clock.market()
    keep(app.engine, (now - timedelta(days=7)).date(), Shrunk({(BTC, ETH): 0.1}, 90, 0.1), real=app.clock.real())
    assert app.judge.correlations(now) is not None
    assert app.judge.correlations(now + timedelta(days=1)) is None
    assert app.judge.correlations(now - timedelta(days=8)) is None  # nor one from the future


def test_the_snapshot_is_made_of_daily_candles_once_a_day(tmp_path: Path) -> None:
    with build(load_settings(env={}, overrides={"desk": {"data_dir": str(tmp_path)}}), "test") as app:
        said = correlate(app.log, app.market, clock=app.clock)
        assert said.startswith("3 correlations of 2025-01-01, of 90 days, shrunk by ")
        assert correlate(app.log, app.market, clock=app.clock) == "correlations of 2025-01-01 are known"
        assert app.risk().correlations_of == "2025-01-01"


def holding(stage: Stage, **limits: object) -> App:
    """A desk that bought 1 BTC, whose coins a person protects from then on; but 0.2 of them are free to go."""
    stage(flat(400), eth=flat(400), limits=WIDE).close()
    app = stage(flat(400), eth=flat(400), limits=WIDE)
    assert app.gate.submit(buy("in", "1"), Source.MODEL).outcome == "placed"
    app.close()
    app = stage(flat(400), eth=flat(400), limits=WIDE | {"protected": {"BTC": "0.8"}} | limits)
    app.adopt_policy(by="operator")
    app.heartbeats.beat("watch", {})
    return app


def sell(order_id: str, size: str) -> OrderRequest:
    return OrderRequest(order_id=order_id, symbol=BTC, side=Side.SELL, size=D(size))


@pytest.mark.parametrize("source", list(Source))
def test_what_is_protected_is_sold_by_nobody(stage: Stage, source: Source) -> None:
    """Not by the model, the loop, the exits or the operator; the little beside it is."""
    app = holding(stage)
    if source is Source.LOOP:  # the chat's position is nobody else's either
        held = app.log.book.positions[BTC]
        app.log.book.positions[BTC] = structs.replace(held, owner=Source.LOOP)
    refused = app.gate.close(BTC, D(1), source, reason="", order_id="all")
    assert [verdict.rule for verdict in refused.failed] == ["owner"], refused
    assert "0.8 of it is protected" in refused.message
    assert app.log.refresh().positions[BTC].size == 1


def test_beside_what_is_protected_the_rest_may_go(stage: Stage) -> None:
    app = holding(stage)
    assert app.gate.submit(sell("more", "0.3"), Source.MODEL).refused
    assert app.gate.submit(sell("rest", "0.2"), Source.MODEL).outcome == "closed"
    assert app.log.refresh().positions[BTC].size == D("0.8")


def test_a_flatten_leaves_what_is_protected_and_sells_the_others(stage: Stage) -> None:
    app = holding(stage)
    assert app.gate.submit(buy("ether", "1", ETH), Source.MODEL).outcome == "placed"
    with connected(build_server(app)) as call:  # type: ignore[arg-type]
        halted = call("halt_trading", reason="now", flatten=True)
        assert any("0.8 of it is protected" in said for said in halted["sold"])
    assert app.log.refresh().positions.keys() == {BTC}
    assert app.log.book.state is TradingState.HALTED


def test_the_exits_of_what_is_protected_are_refused_and_a_person_is_told(stage: Stage) -> None:
    """A stop that rests from before is still there; one that would be placed anew is not."""
    app = holding(stage)
    app.gate.set_exits(BTC, ExitPlan(stop=D(99)), Source.MODEL)
    assert app.log.refresh().exits(BTC) == []
    refusals = [event for event in history.events(app.engine, (OrderRefused,)) if isinstance(event, OrderRefused)]
    assert {rule for event in refusals for rule, _ in event.rules} == {"owner"}
    on(app, 3)
    assert app.log.refresh().positions[BTC].size == 1


def test_a_protected_symbol_that_does_not_exist_is_refused_at_start(stage: Stage) -> None:
    with pytest.raises(BadConfig, match="protected names BTX") as error:
        stage(flat(300), limits={"protected": ["BTX"]})
    assert error.value.hint == "did you mean BTC?"


def test_a_ledger_from_before_a_limit_opens_with_its_default(stage: Stage) -> None:
    app = stage(flat(400))
    old = {key: "0.05" if key == "max_heat" else ["BTC/USDT"] for key in ("allow", "max_heat")}
    text = msgspec.json.encode(old).decode()
    with app.log.writing() as ledger:
        ledger.append(PolicyAdopted(policy_hash(text), text, "an older version"))
    app.close()
    again = stage(flat(400), limits={"max_heat": "0.05"})
    again.heartbeats.beat("watch", {})
    assert again.judge.policy(again.log.book) == check_policy(old)
    assert again.policy_changes() == []
    assert again.gate.submit(buy("in"), Source.MODEL).outcome == "placed"


def test_two_hundred_refusals_in_a_row_leave_nothing_behind(stage: Stage) -> None:
    app = stage(flat(400), limits={"max_orders_per_minute": 1, "max_orders_per_day": 1})
    before = app.log.refresh()
    for number in range(200):
        request = buy(f"no-{number}", "20", type=OrderType.LIMIT, limit_price=D(100), exits=STOP_2)
        assert app.gate.submit(request, Source.MODEL).refused
    book = app.log.refresh()
    assert book.seq == before.seq + 200
    assert structs.replace(book, seq=before.seq) == before  # no count, no list that grows
    assert app.gate.submit(buy("yes"), Source.MODEL).outcome == "placed"
