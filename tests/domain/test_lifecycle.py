"""An order's life: every report may come twice, late, early or out of order."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from trade_mcp.domain.events import Alarm, Filled, OrderEnded, OrderReopened, OrderWorking
from trade_mcp.domain.lifecycle import advance
from trade_mcp.domain.order import Fill, Order, OrderType, Report, Role, Side, Source, Status

NOW = datetime(2025, 1, 1, tzinfo=UTC)


def order(**changes: object) -> Order:
    values: dict[str, object] = {
        "order_id": "a",
        "symbol": "BTC/USDT",
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "size": Decimal(2),
        "role": Role.ENTRY,
        "source": Source.LOOP,
        "at": NOW,
        "real_at": NOW,
        "send_by": NOW,
    }
    return Order(**(values | changes))  # type: ignore[arg-type]


def fill(trade_id: str, size: str) -> Fill:
    return Fill(
        trade_id=trade_id,
        order_id="a",
        symbol="BTC/USDT",
        side=Side.BUY,
        size=Decimal(size),
        price=Decimal(100),
        fee=Decimal(0),
        fee_currency="USDT",
        fee_quote=Decimal(0),
        at=NOW,
    )


def report(status: Status, *fills: Fill, filled: str | None = None) -> Report:
    total = sum((f.size for f in fills), Decimal(0)) if filled is None else Decimal(filled)
    return Report(order_id="a", venue_id="v", status=status, filled=total, fills=fills)


def after(given: Order, *reports: Report) -> tuple[Order, list[type]]:
    kinds: list[type] = []
    for said in reports:
        for event in advance(given, said):
            kinds.append(type(event))
            given = getattr(event, "order", given)
    return given, kinds


def test_a_fill_is_booked_once_whoever_reports_it() -> None:
    full = report(Status.FILLED, fill("1", "2"))
    done, kinds = after(order(), full, full)
    assert (done.status, done.filled, kinds) == (Status.FILLED, Decimal(2), [Filled])


def test_a_fill_before_the_acknowledgement_is_kept() -> None:
    done, kinds = after(order(), report(Status.WORKING, fill("1", "1")), report(Status.WORKING))
    assert (done.status, done.filled, kinds) == (Status.WORKING, Decimal(1), [Filled])


def test_an_end_waits_for_the_fills_the_venue_counts() -> None:
    done, kinds = after(order(status=Status.WORKING), report(Status.CANCELLED, filled="1"))
    assert (done.status, kinds) == (Status.WORKING, [])
    done, kinds = after(done, report(Status.CANCELLED, fill("1", "1")))
    assert (done.status, done.filled, kinds) == (Status.CANCELLED, Decimal(1), [Filled, OrderEnded])


def test_a_late_fill_of_a_cancelled_order_is_booked_and_told() -> None:
    done, kinds = after(order(status=Status.CANCELLED), report(Status.CANCELLED, fill("1", "1")))
    assert (done.status, done.filled, kinds) == (Status.CANCELLED, Decimal(1), [Alarm, Filled])


def test_an_order_that_never_was_and_then_is_reopens_with_an_alarm() -> None:
    done, kinds = after(order(status=Status.NEVER_PLACED), report(Status.WORKING))
    assert (done.status, kinds) == (Status.WORKING, [OrderReopened, Alarm])


@pytest.mark.parametrize("ended", [Status.FILLED, Status.CANCELLED, Status.EXPIRED, Status.REJECTED])
def test_an_ended_order_never_goes_back_by_an_old_status(ended: Status) -> None:
    assert advance(order(status=ended), report(Status.WORKING)) == ()


def test_an_acknowledgement_makes_a_pending_order_working_once() -> None:
    done, kinds = after(order(), report(Status.WORKING), report(Status.WORKING))
    assert (done.status, kinds) == (Status.WORKING, [OrderWorking])


def test_a_cancelling_order_that_still_rests_stays_cancelling() -> None:
    assert advance(order(status=Status.CANCELLING), report(Status.WORKING)) == ()
