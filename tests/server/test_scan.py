"""What a client sees of strategies: the market scanned, and every opinion explained."""

from collections.abc import Callable

import pytest

from desk.conftest import ledger_at_head, stage
from desk.stage import BTC, ETH, STEP, WARM, flat
from server.serving import Caller
from trade_mcp.app import App
from trade_mcp.desk.scan import Scan, scan

__all__ = ["ledger_at_head", "stage"]


def scanned(app: App, least: float = 0.0) -> Scan:
    return scan(app.market, app.signals, app.market.priced, least_volume=least, now=app.clock.market())


def test_symbols_are_ranked_by_strength_with_their_day(stage: Callable[..., App]) -> None:
    ups = [(p, p, p, p) for p in (100 + bar % 7 + bar / 10 for bar in range(WARM + 5))]
    app = stage(flat(WARM + 5), eth=ups, volume=1_000)
    found = scanned(app)
    assert [one.symbol for one in found.ranked] == [ETH, BTC]  # a price that stands still asks for nothing
    assert found.ranked[1].volume == pytest.approx(WARM * 1_000 * 100.01)
    assert found.ranked[1].change == 0
    assert found.ranked[0].change == pytest.approx(ups[WARM - 1][3] / ups[0][0] - 1)


def test_what_trades_too_little_or_has_no_bars_of_now_is_counted_not_ranked(stage: Callable[..., App]) -> None:
    app = stage(flat(WARM + 10, 100.0), eth=flat(WARM, 1.0), volume=1_000)
    thin = scanned(app, least=1_000_000)
    assert ([one.symbol for one in thin.ranked], thin.thin, thin.unknown) == ([BTC], 1, 0)
    app.clock.advance_to(app.clock.market() + 3 * STEP)  # ETH ended
    ended = scanned(app)
    assert ([one.symbol for one in ended.ranked], ended.thin, ended.unknown) == ([BTC], 0, 1)


def test_a_hole_is_no_part_of_the_day(stage: Callable[..., App]) -> None:
    app = stage([*flat(WARM - 4, 50.0), *[None] * 400, *flat(20, 100.0)], volume=1_000)
    app.clock.advance_to(app.clock.market() + 410 * STEP)
    (btc,) = scanned(app).ranked
    assert btc.change == 0
    assert btc.volume == pytest.approx(14 * 1_000 * 100.0)


def test_a_client_scans_and_then_asks_why(call: Caller) -> None:
    answer = call("scan_market", limit=2)
    assert answer["of"] == 3
    first, second = answer["ranked"]
    assert first["strength"] >= second["strength"]
    assert set(first) >= {"symbol", "strength", "change_24h", "volume_24h"}
    (view,) = call("get_signals", symbols=[first["symbol"]])["signals"]
    assert all(one["why"] for one in view["opinions"])
    none = call("scan_market", min_volume="999999999999")
    assert (none["ranked"], none["below_min_volume"]) == ([], 3)
    assert "min_volume must be a string" in call.refused("scan_market", min_volume=5)["error"]["message"]
    assert call.refused("scan_market", limit=99)["error"]["hint"] == "from 1 to 25"
