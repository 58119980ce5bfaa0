"""The exchange's own dead man's switch: refreshed while only entries rest, never while a stop does."""

from collections.abc import Callable
from decimal import Decimal as D
from typing import Any

from desk.stage import ETH, buy, flat
from trade_mcp.app import App
from trade_mcp.desk.cancel_timer import AFTER_S, EVERY_S, CancelTimer
from trade_mcp.domain.errors import VenueUnreachable
from trade_mcp.domain.order import OrderType, Role, Source

Stage = Callable[..., App]


class Timed:
    """The paper venue with a timer, which notes how it is set."""

    cancel_timer = True

    def __init__(self, venue: Any):
        self._venue = venue
        self.set: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._venue, name)

    def cancel_all_after(self, seconds: float) -> None:
        self.set.append(seconds)


def test_it_runs_while_only_entries_rest(stage: Stage) -> None:
    app = stage(flat(400), eth=flat(400))
    venue = Timed(app.venue)
    timer = CancelTimer(app.log, venue, clock=app.clock)  # type: ignore[arg-type]
    boot = app.clock.boot
    late = 0.0
    app.clock.boot = lambda: boot() + late  # type: ignore[method-assign]
    timer.step()
    assert venue.set == [0.0]  # whoever was here before may have left it running
    timer.step()
    resting = buy("resting", "2", type=OrderType.LIMIT, limit_price=D("99"))
    app.gate.submit(resting, Source.MODEL)
    for _ in range(3):
        timer.step()
    assert venue.set == [0.0, AFTER_S]
    late += EVERY_S
    timer.step()
    assert venue.set == [0.0, AFTER_S, AFTER_S]
    app.gate.submit(buy("held", "2", ETH), Source.MODEL)  # its stop rests now
    timer.step()
    late += EVERY_S
    timer.step()
    assert venue.set == [0.0, AFTER_S, AFTER_S, 0.0]


def test_it_is_stopped_before_a_stop_is_sent(stage: Stage) -> None:
    app = stage(flat(400), eth=flat(400))
    venue = Timed(app.venue)
    app.watch._timer = timer = CancelTimer(app.log, venue, clock=app.clock)  # type: ignore[arg-type]
    app.gate.submit(buy("resting", "2", type=OrderType.LIMIT, limit_price=D("99")), Source.MODEL)
    timer.step()
    submit, sent = app.venue.submit, []

    def refuse(orders: Any) -> Any:
        sent.append((orders[0].role, venue.set[-1]))
        if orders[0].role is Role.STOP and len(sent) == 2:
            raise VenueUnreachable("no answer")  # it may rest there
        return submit(orders)

    app.venue.submit = refuse  # type: ignore[method-assign]
    app.gate.submit(buy("held", "2", ETH), Source.MODEL)
    assert [role for role, _ in sent][:2] == [Role.ENTRY, Role.STOP]
    timer.step()
    assert venue.set == [AFTER_S, 0.0]
    names = [step.name for step in app.watch.step().steps]
    assert names.index("timer") < names.index("exits")


def test_a_desk_without_one_does_nothing(stage: Stage) -> None:
    app = stage()
    assert not app.venue.cancel_timer
    assert not [step for step in app.watch.step().steps if step.name == "timer" and step.error]
