"""Alerts: each thing once, counted when it comes again, none lost over a restart, and no flood."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from clocks import ManualClock
from trade_mcp.domain import events as e
from trade_mcp.domain.order import Source
from trade_mcp.office.alerts import Alert, Alerts
from trade_mcp.office.jobs import Job, run_due
from trade_mcp.ports import Message
from trade_mcp.store import jobs as kept
from trade_mcp.store import outbox
from trade_mcp.store.engine import open_memory
from trade_mcp.store.log import Log


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def desk(clock: ManualClock) -> Log:
    return Log(open_memory(), code="test", clock=clock)


def alerts(desk: Log, clock: ManualClock, said: list[Message], **more: object) -> Alerts:
    given = {"least": "warning", "window": timedelta(hours=1), "most_per_hour": 5, "problems": lambda: ()} | more
    return Alerts(desk.engine, clock=clock, send=said.append, new_id=lambda: f"m{len(said)}", **given)  # type: ignore[arg-type]


def happened(desk: Log, *events: e.Event) -> None:
    with desk.writing() as ledger:
        for event in events:
            ledger.append(event)


def test_an_alarm_is_told_once_over_restarts_and_counted_when_it_comes_again(desk: Log, clock: ManualClock) -> None:
    said: list[Message] = []
    happened(desk, e.Alarm("the exit of BTC/USDT was refused: 12.5", symbol="BTC/USDT"))
    alerts(desk, clock, said).step()
    alerts(desk, clock, said).step()
    assert len(said) == 1 and "refused" in said[0].subject
    happened(desk, e.Alarm("the exit of BTC/USDT was refused: 13.5", symbol="BTC/USDT"))
    alerts(desk, clock, said).step()
    assert len(said) == 1
    clock.pass_(3601)
    alerts(desk, clock, said).step()
    assert len(said) == 2 and "1 times more" in said[1].text


def test_a_halt_is_critical_and_small_things_are_left_out(desk: Log, clock: ManualClock) -> None:
    said: list[Message] = []
    happened(
        desk,
        e.StateChanged(e.TradingState.HALTED, "a person said so", Source.OPERATOR),
        e.StateChanged(e.TradingState.ACTIVE, "calm", Source.OPERATOR),
    )
    alerts(desk, clock, said).step()
    assert [message.severity for message in said] == ["critical"]
    assert "a person said so" in said[0].text


def test_a_problem_is_told_when_it_lasts_and_not_at_a_restart(desk: Log, clock: ManualClock) -> None:
    said: list[Message] = []
    wrong = ["nobody watches the exits"]
    watching = alerts(desk, clock, said, problems=lambda: wrong)
    watching.step()
    assert not said
    clock.pass_(25)
    watching.step()
    watching.step()
    assert [message.text.splitlines()[0] for message in said] == wrong


def test_a_flood_becomes_one_summary_and_critical_ones_pass(desk: Log, clock: ManualClock) -> None:
    said: list[Message] = []
    desk_alerts = alerts(desk, clock, said)
    for name in "abcdefghijklmnop":
        desk_alerts.tell(Alert(name, "warning", f"thing {name}"))
    assert len(said) == 6 and "more than 5 alerts" in said[-1].text
    desk_alerts.tell(Alert("halt", "critical", "trading is halted"))
    assert said[-1].severity == "critical"


def test_a_message_is_tried_later_and_later_until_it_is_taken(desk: Log, clock: ManualClock) -> None:
    engine = desk.engine
    outbox.put(engine, Message("1", "s", "t", images={"a": b"\x00\xff"}), ("mail", "webhook"), now=clock.real())
    first = outbox.due(engine, "mail", now=clock.real())
    assert first is not None and first.message.images == {"a": b"\x00\xff"}
    assert outbox.not_sent(engine, first, "no", retry=True, now=clock.real())
    assert outbox.due(engine, "mail", now=clock.real()) is None
    assert outbox.due(engine, "webhook", now=clock.real()) is not None  # a dead channel stops no other
    clock.pass_(11)
    again = outbox.due(engine, "mail", now=clock.real())
    assert again is not None and (again.message.id, again.attempts) == ("1", 1)
    outbox.sent(engine, again)
    assert outbox.due(engine, "mail", now=clock.real()) is None
    assert [(s.channel, s.queued, s.failed) for s in outbox.states(engine)] == [("mail", 0, 0), ("webhook", 1, 0)]


def test_a_message_that_cannot_be_delivered_fails_for_good(desk: Log, clock: ManualClock) -> None:
    outbox.put(desk.engine, Message("1", "s", "t"), ("mail",), now=clock.real())
    one = outbox.due(desk.engine, "mail", now=clock.real())
    assert one is not None and not outbox.not_sent(desk.engine, one, "refused", retry=False, now=clock.real())
    (state,) = outbox.states(desk.engine)
    assert (state.failed, state.error) == (1, "refused")


def test_a_job_runs_once_each_time_and_a_failure_waits_for_the_next(desk: Log, clock: ManualClock) -> None:
    ran: list[object] = []

    def work(app: object) -> str:
        ran.append(app)
        if len(ran) == 2:
            raise ValueError("no")
        return "done"

    job = Job("work", timedelta(hours=2), work)
    step: Callable[[], Exception | None] = lambda: run_due(job, "desk", desk.engine, clock)  # noqa: E731
    step()
    assert not ran
    clock.pass_(2 * 3600)
    assert step() is None and len(ran) == 1
    step()
    assert len(ran) == 1
    clock.pass_(5 * 3600)  # two times passed: one is made up for
    assert isinstance(step(), ValueError)
    assert kept.job(desk.engine, "work").failures == 1
    step()
    assert len(ran) == 2


def test_the_password_never_stands_in_a_file(tmp_path: Path) -> None:
    from trade_mcp.domain.errors import BadConfig
    from trade_mcp.settings import load_settings

    file = tmp_path / "trade-mcp.toml"
    file.write_text(
        '[mail]\nhost = "smtp.example.org"\nto = ["a@example.org"]\nuser = "me@example.org"\npassword = "x"\n'
    )
    with pytest.raises(BadConfig, match=r"mail\.password may not be in a file"):
        load_settings(file, env={})
    file.write_text(file.read_text().replace('password = "x"', ""))
    settings = load_settings(file, env={"TRADE_MCP_MAIL_PASSWORD": "a-good-password"})
    assert settings.channels()["mail"].password == "a-good-password"  # type: ignore[attr-defined]
    assert "a-good-password" not in repr(settings)
