"""Faults of exits, by their number, against the paper venue: every position ends on one stop, or is sold."""

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from msgspec import structs

from desk.stage import BTC, STOP_2, WARM, buy, flat, losing, on, watched
from desk.test_order_life import sound, stops
from trade_mcp.app import App
from trade_mcp.desk import protection
from trade_mcp.domain.distances import parse_distance
from trade_mcp.domain.errors import LedgerBusy, LedgerUnwritable, VenueRejected
from trade_mcp.domain.events import Alarm
from trade_mcp.domain.exits import ExitPlan
from trade_mcp.domain.order import OrderRequest, OrderType, Report, Role, Side, Source
from trade_mcp.ports import Venue
from trade_mcp.store import engine as engines
from trade_mcp.store import history, reads
from trade_mcp.store.verify import verify

Stage = Callable[..., App]


def alarms(app: App) -> list[str]:
    return [event.text for event in history.events(app.engine, (Alarm,)) if isinstance(event, Alarm)]


@dataclass
class Between:
    """The real venue with some of its answers changed on the way."""

    venue: Venue
    change: Callable[[str, Any], Any] = lambda _call, answer: answer

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.venue, name)
        return (lambda *given: self.change(name, real(*given))) if callable(real) else real


def between(app: App) -> Between:
    line = Between(app.venue)
    app.gate._sender._venue = line  # type: ignore[assignment]
    app.watch._reconcile._venue = line  # type: ignore[assignment]
    return line


def test_fault_24_what_the_venue_would_not_sell_is_dust_frees_the_slot_and_is_told(stage: Stage) -> None:
    app = stage()
    app.gate.submit(buy(size="1"), Source.MODEL)
    sold = OrderRequest(order_id="s", symbol=BTC, side=Side.SELL, size=D("0.97"))
    assert app.gate.submit(sold, Source.MODEL).outcome == "closed"
    watched(app)
    position = app.log.refresh().positions[BTC]
    assert position.dust and position.size == D("0.03")
    assert stops(app) == []
    assert any("dust" in text for text in alarms(app))
    assert app.gate.submit(buy("again", "2"), Source.MODEL).outcome == "placed"
    assert [size for _, size, _ in stops(app)] == [app.log.refresh().positions[BTC].size]
    sound(app)


def test_fault_26_after_a_partial_exit_the_stop_covers_the_rest_at_once(stage: Stage) -> None:
    app = stage()
    app.gate.submit(buy(), Source.MODEL)
    app.gate.close(BTC, D("0.4"), Source.MODEL, reason="part", order_id="part")
    assert [size for _, size, _ in stops(app)] == [D("0.6")]  # without another round of the watcher
    sound(app)


def test_fault_27_a_stop_the_venue_rejects_is_a_market_exit_and_an_alarm(stage: Stage) -> None:
    app = stage()
    line = losing(app)
    real = line._venue.submit

    def refuses_stops(orders: tuple[Any, ...]) -> tuple[Report, ...]:
        if any(order.role is Role.STOP for order in orders):
            raise VenueRejected("no stops today")
        return real(orders)  # type: ignore[no-any-return]

    line._venue = Between(line._venue)
    line._venue.submit = refuses_stops  # type: ignore[method-assign]
    app.gate.submit(buy(), Source.MODEL)
    watched(app)
    assert app.log.refresh().positions == {} and app.log.book.orders == {}
    ended = {order.order_id: order.status.value for order in reads.orders(app.engine)[0]}
    assert ended["a-stop-1"] == "rejected"
    closing_order = next(o for o in reads.orders(app.engine)[0] if o.role is Role.CLOSE)
    assert closing_order.reason == "its stop was refused"


def test_fault_28_a_stop_that_was_reached_and_does_not_sell_is_replaced_by_a_market_sell(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = stage()
    app.gate.submit(buy(exits=STOP_2), Source.MODEL)
    real = app.clock.boot
    later = 0.0
    monkeypatch.setattr(app.clock, "boot", lambda: real() + later)
    resting = stops(app)
    # The price the desk sees is beyond the stop; the venue has not seen it and triggers nothing.
    monkeypatch.setattr(app.market, "quote", _quoted(app, D(95)))
    assert app.gate.protect(BTC) != protection.Armed.OVERDUE
    assert stops(app) == resting
    later = protection.GRACE_S + 1
    app.gate.protect(BTC)
    assert BTC not in app.log.refresh().positions
    close = next(order for order in reads.orders(app.engine)[0] if order.role is Role.CLOSE)
    assert close.reason == "its stop was reached and did not sell in time"
    sound(app)


def _quoted(app: App, bid: D) -> Callable[[str], Any]:
    real = app.market.quote

    def quote(symbol: str) -> Any:
        return structs.replace(real(symbol), bid=bid, ask=bid + D("0.01"))

    return quote


def test_fault_29_a_stop_left_behind_after_the_position_closed_is_swept(stage: Stage) -> None:
    app = stage()
    app.gate.submit(buy(), Source.MODEL)
    line = losing(app)
    line.lose = lambda call: "after" if call == "cancel" else ""
    app.gate.close(BTC, D(1), Source.MODEL, reason="x", order_id="c")
    line.lose = lambda call: ""
    for _ in range(3):
        watched(app)
    if BTC in app.log.refresh().positions:
        app.gate.close(BTC, D(1), Source.MODEL, reason="x", order_id="c2")
    watched(app)
    assert list(app.log.refresh().live(BTC)) == [] and list(app.venue.open_orders()) == []
    sound(app)


def test_fault_30_two_protectors_make_one_stop(stage: Stage) -> None:
    app, other = stage(), stage()
    line = losing(app)
    line.lose = lambda call: "before" if call == "submit" and line.submitted > 1 else ""
    app.gate.submit(buy(), Source.MODEL)
    line.lose = lambda call: ""
    threads = [threading.Thread(target=desk.gate.protect, args=(BTC,)) for desk in (app, other) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    later = app.clock.real() + timedelta(seconds=60)
    app.clock.real = lambda: later  # type: ignore[method-assign]
    watched(app)
    watched(app)
    assert len(stops(app)) == 1
    assert len([report for report in app.venue.open_orders() if report.type is OrderType.STOP]) == 1
    sound(app)


def test_fault_31_a_stop_that_the_venue_holds_as_a_plain_limit_is_told_and_placed_anew(stage: Stage) -> None:
    app = stage()
    app.gate.submit(buy(exits=STOP_2), Source.MODEL)
    (before,) = stops(app)
    line = between(app)

    def plain(report: Report | None) -> Report | None:
        if report is None or report.order_id != before[0]:
            return report
        return structs.replace(report, type=OrderType.LIMIT, trigger_price=None, limit_price=before[2])

    def plain_limit(call: str, answer: Any) -> Any:
        if call == "open_orders":
            return [plain(report) for report in answer]
        return plain(answer) if call == "order" else answer

    line.change = plain_limit
    app.watch._audited = None
    watched(app)
    watched(app)
    (after,) = stops(app)
    assert after[0] != before[0] and after[1:] == before[1:]
    assert any("type limit instead of stop" in text for text in alarms(app))
    sound(app)


def test_fault_32_stop_target_and_peak_stand_over_a_restart_before_the_first_tick(stage: Stage) -> None:
    bars = [*flat(WARM + 1), (100, 104, 100, 103.5), *flat(20, 103.5)]
    app = stage(bars)
    plan = ExitPlan(target=parse_distance("9%"), trail=parse_distance("2%"), break_even=parse_distance("3%"))
    app.gate.submit(buy(exits=plan), Source.MODEL)
    on(app, 2)
    before = app.log.refresh().positions[BTC].levels
    assert before.peak == 104
    app.close()
    again = stage(bars)
    assert again.log.refresh().positions[BTC].levels == before  # before any tick
    on(again, 2)
    assert again.log.refresh().positions[BTC].levels.peak == 104
    assert len(stops(again)) == 1
    sound(again)


@pytest.mark.storm
def test_fault_36_a_busy_ledger_is_waited_for_and_then_refuses_without_losing_anything(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = stage()
    app.gate.submit(buy("first"), Source.MODEL)
    seq = app.log.refresh().seq
    with closing(sqlite3.connect(app.engine.path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        threading.Timer(1.0, lambda: other.execute("ROLLBACK")).start()
        began = time.monotonic()
        assert app.gate.submit(buy("waited", "0.5"), Source.MODEL).outcome == "placed"  # a bounded wait
        assert time.monotonic() - began >= 0.9
        monkeypatch.setattr(engines.Engine.transaction, "__kwdefaults__", {"wait_s": 0.3})
        other.execute("BEGIN IMMEDIATE")
        before = app.log.refresh().seq
        with pytest.raises(LedgerBusy):
            app.gate.submit(buy("too-long", "0.3"), Source.MODEL)
        other.execute("ROLLBACK")
    assert app.log.refresh().seq == before > seq
    assert app.log.order("too-long") is None
    assert "too-long" not in {report.order_id for report in app.venue.reports_since("")[0]}
    assert app.gate.submit(buy("too-long", "0.3"), Source.MODEL).outcome == "placed"  # the same id again is safe
    sound(app)


def test_fault_37_on_a_full_disk_only_a_needed_exit_leaves_through_the_spill(stage: Stage) -> None:
    app = stage([*flat(WARM + 1), (100, 100, 99.5, 99.5), *flat(20, 99.5)])
    lease = app.leases.take("watch", 600)
    app.gate.submit(buy(exits=STOP_2), Source.MODEL)
    app.gate.submit(buy("b", "0.5", exits=None), Source.MODEL)
    line = between(app)
    app.market.quote = _quoted(app, D(95))  # type: ignore[method-assign]
    app.gate._protection._beyond[BTC] = app.clock.boot() - protection.GRACE_S - 1
    pages = app.engine._write.execute("PRAGMA page_count").fetchone()[0]  # type: ignore[union-attr]
    app.engine._write.execute(f"PRAGMA max_page_count = {pages}")  # type: ignore[union-attr]
    said = []
    for number in range(200):  # until the free pages are used up
        try:
            with app.log.writing() as ledger:
                ledger.append(Alarm(f"filler {number} " + "x" * 500))
        except LedgerUnwritable as error:
            said.append(error)
            break
    assert said, "the ledger must be full"
    with pytest.raises(LedgerUnwritable):
        app.gate.submit(buy("no-ink", "0.2"), Source.MODEL)  # no entries
    assert "no-ink" not in {report.order_id for report in app.venue.reports_since("")[0]}
    app.watch.step(lease)
    app.watch.step(lease)
    gone = [r for r in app.venue.reports_since("")[0] if "-exit-" in r.order_id]
    assert len(gone) == 1 and gone[0].filled == D("1.5")  # once, however often the watcher looks
    assert app.log.order(gone[0].order_id) is None  # without ink
    app.engine._write.execute("PRAGMA max_page_count = 1073741823")  # type: ignore[union-attr]
    later = app.clock.real() + timedelta(seconds=60)
    app.clock.real = lambda: later  # type: ignore[method-assign]
    app.market.quote = line.venue and _quoted(app, D("99.4"))  # type: ignore[method-assign]
    for _ in range(3):
        app.watch.step(lease)
    assert app.log.refresh().positions == {} and app.log.book.orders == {}
    assert any("left while the ledger could not be written" in text for text in alarms(app))
    assert app.gate.inkless._spill is not None and app.gate.inkless._spill.pending() == []
    assert verify(app.engine, code="test").broken == ""
    sound(app)
