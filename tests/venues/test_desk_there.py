"""The whole desk on the ccxt venue: an entry through the gate, its exits at the exchange, and what status says."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from practice.running import Running, running
from trade_mcp.app import App, build
from trade_mcp.domain.distances import Distance
from trade_mcp.domain.errors import BadConfig
from trade_mcp.domain.events import TradingState
from trade_mcp.domain.exits import ExitPlan
from trade_mcp.domain.order import OrderRequest, Role, Side, Source, Status
from trade_mcp.server.tools.desk import get_status
from trade_mcp.settings import load_settings
from venues.practised import SECRET, new_key


@pytest.fixture
def practice(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path) as practice:  # endless prices, in real time
        yield practice


def desk(practice: Running, folder: Path, **more: Any) -> App:
    env = {
        "TRADE_MCP_EXCHANGE_KEY": new_key(practice),
        "TRADE_MCP_EXCHANGE_SECRET": SECRET,
        "TRADE_MCP_EXCHANGE_URL": practice.url,
    }
    overrides = {
        "desk": {
            "data_dir": str(folder / "desk"),
            "venue": "ccxt",
            "exchange": "binance",
            "symbols": "BTC/USDT",
        },
        "feed": {"name": "ccxt", "streaming": "false"},
    }
    return build(load_settings(env=env, overrides=overrides | more), "tick")


def entry(app: App, size: str = "0.01") -> str:
    plan = ExitPlan(stop=Distance(fraction=Decimal("0.02")), target=Distance(fraction=Decimal("0.04")))
    request = OrderRequest(order_id=app.new_id(), symbol="BTC/USDT", side=Side.BUY, size=Decimal(size), exits=plan)
    receipt = app.gate.submit(request, Source.MODEL)
    assert receipt.outcome == "placed", receipt.message
    return request.order_id


def test_an_entry_gets_its_exits_at_the_exchange(practice: Running, tmp_path: Path) -> None:
    with desk(practice, tmp_path, limits={"ask": "never"}) as app:
        app.heartbeats.beat("watch", {})
        app.watch.step()
        order_id = entry(app)
        app.watch.step()
        book = app.log.refresh()
        (position,) = book.positions.values()
        assert Decimal("0.0099") < position.size <= Decimal("0.01")
        assert book.unprotected() == []
        resting = {order.role: order for order in book.exits("BTC/USDT")}
        assert set(resting) == {Role.STOP, Role.TARGET}
        assert all(order.order_id.startswith(order_id) and len(order.order_id) > 36 for order in resting.values())
        there = {report.order_id: report for report in app.venue.open_orders()}
        assert set(there) == {order.order_id for order in resting.values()}
        app.gate.close("BTC/USDT", Decimal(1), Source.MODEL, reason="test", order_id=app.new_id())
        app.watch.step()
        assert list(app.venue.open_orders()) == []
        assert {order.status for order in app.log.refresh().live()} <= {Status.WORKING}


def test_the_orders_of_a_desk_go_under_the_id_of_its_ledger(practice: Running, tmp_path: Path) -> None:
    with desk(practice, tmp_path, limits={"ask": "never"}) as app:
        ledger_id = app.log.book.ledger_id
        assert len(ledger_id) == 8
        app.heartbeats.beat("watch", {})
        plan = ExitPlan(stop=Distance(fraction=Decimal("0.02")))
        request = OrderRequest(order_id="mine", symbol="BTC/USDT", side=Side.BUY, size=Decimal("0.01"), exits=plan)
        assert app.gate.submit(request, Source.MODEL).outcome == "placed"
        key = app.venue.exchange.reads.apiKey  # type: ignore[attr-defined]
        names = [order["clientOrderId"] for order in practice.control.books(key)["orders"]]
        assert names == [f"{ledger_id}-mine", f"{ledger_id}-mine-stop-1"]
    with desk(practice, tmp_path) as again:
        assert again.log.book.ledger_id == again.venue.names.ledger == ledger_id  # type: ignore[attr-defined]


def test_status_says_what_the_exchange_holds_and_what_the_desk_watches(practice: Running, tmp_path: Path) -> None:
    with desk(practice, tmp_path) as app:
        said: Any = get_status(app)
        assert said["exchange"]["name"] == "binance"
        assert any("trailing" in each for each in said["exchange"]["watched_by_the_desk"])
        assert 0 < said["exchange"]["budget_used"] < 0.6
        assert app.log.book.state is TradingState.ACTIVE


def test_the_mode_is_whose_money_it_is(practice: Running) -> None:
    def mode(url: str = "", **desk: str) -> str:
        env = {"TRADE_MCP_EXCHANGE_URL": url} if url else {}
        overrides = {"desk": {"venue": "ccxt", "exchange": "binance"} | desk, "feed": {"name": "ccxt"}}
        return load_settings(env=env, overrides=overrides | {}).mode

    symbols = {"symbols": "BTC/USDT"}
    assert mode(practice.url, **symbols) == "practice"
    assert mode("http://[::1]:9100", **symbols) == "practice"
    assert mode(sandbox="true", **symbols) == "testnet"
    assert mode(**symbols) == mode("https://api.elsewhere.example", **symbols) == "live"
    assert mode(practice.url, venue="paper", **symbols) == "paper"
    with pytest.raises(BadConfig) as said:
        mode("localhost:9100", **symbols)
    assert "http" in str(said.value)
