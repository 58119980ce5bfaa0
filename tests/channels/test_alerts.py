"""Alerts: each thing once, counted when it comes again, none lost over a restart, and no flood."""

from datetime import timedelta
from typing import Any

import pytest

from clocks import ManualClock
from trade_mcp.domain import events as e
from trade_mcp.domain.order import Source
from trade_mcp.office.alerts import Alert, Alerts
from trade_mcp.store import outbox
from trade_mcp.store.engine import open_memory
from trade_mcp.store.log import Log

HALT = e.StateChanged(e.TradingState.HALTED, "a person said so", Source.OPERATOR)
GO_ON = e.StateChanged(e.TradingState.ACTIVE, "calm", Source.OPERATOR)


class Teller:
    """Alerts as a clerk has them; ``said`` is what is in the outbox, ``problems`` what health says."""

    def __init__(self, desk: Log, clock: ManualClock):
        self.desk, self.clock = desk, clock
        self.problems: list[Alert] = []
        self.given: dict[str, Any] = {"channels": ("mail",), "least": "warning", "most_per_hour": 5}
        self.restart()

    def restart(self, **given: Any) -> None:
        self.given |= given
        self.alerts = Alerts(
            self.desk.engine,
            clock=self.clock,
            problems=lambda: self.problems,
            new_id=lambda: f"m{len(self.said)}",
            window=timedelta(hours=1),
            **self.given,
        )

    def happened(self, *events: e.Event) -> None:
        with self.desk.writing() as ledger:
            for event in events:
                ledger.append(event)
        self.alerts.step()

    def later(self, seconds: float) -> None:
        """Looks of the clerk for so long."""
        for _ in range(max(1, int(seconds // 30))):
            self.clock.pass_(min(seconds, 30))
            self.alerts.step()

    @property
    def said(self) -> list[str]:
        return [subject for (subject,) in self.desk.engine.rows("SELECT subject FROM outbox ORDER BY id")]

    @property
    def last(self) -> str:
        """The text of the newest message."""
        (payload,) = self.desk.engine.row("SELECT payload FROM outbox ORDER BY id DESC") or ("",)
        return str(payload)


@pytest.fixture
def teller() -> Teller:
    clock = ManualClock()
    return Teller(Log(open_memory(), code="test", clock=clock), clock)


def refused(price: str, order: str = "o1") -> e.Alarm:
    return e.Alarm(f"the exit {order} of BTC/USDT was refused at {price}", symbol="BTC/USDT")


def test_an_alarm_is_told_once_over_restarts_and_counted_when_it_comes_again(teller: Teller) -> None:
    teller.happened(refused("12.5", "0190ab"))
    teller.restart()
    teller.alerts.step()
    assert len(teller.said) == 1 and "refused" in teller.said[0]
    teller.happened(refused("13.5", "0190cd"))
    teller.happened(refused("14.5", "0190ef"))
    assert len(teller.said) == 1
    teller.later(3700)
    assert len(teller.said) == 2 and "2 times: the exit 0190ef" in teller.last
    teller.later(7200)
    assert len(teller.said) == 2


def test_the_first_look_at_an_old_ledger_tells_no_old_stories(teller: Teller) -> None:
    with teller.desk.writing() as ledger:
        ledger.append(refused("1"))
    teller.clock.pass_(2 * 86400)
    teller.alerts.step()
    assert teller.said == []
    teller.happened(HALT)
    assert len(teller.said) == 1


def test_one_that_comes_again_after_its_time_is_told_again_with_the_count(teller: Teller) -> None:
    teller.happened(refused("1"))
    teller.happened(refused("2"))
    teller.clock.pass_(3601)
    teller.happened(refused("3"))
    assert len(teller.said) == 2 and "1 times since it was told last" in teller.last


def test_a_second_halt_is_news_though_the_first_was_told_a_minute_ago(teller: Teller) -> None:
    teller.happened(HALT)
    teller.happened(GO_ON)  # an info, which is too small to be told
    teller.happened(HALT)
    assert teller.said == ["trade-mcp critical: trading is halted (by operator: a person said so)"] * 2


def test_a_halt_is_one_thing_with_the_problem_it_leaves_behind(teller: Teller) -> None:
    teller.happened(HALT)
    teller.problems = [Alert("trading is halted", "warning", "trading is halted: a person said so")]
    teller.later(4 * 3600)
    assert len(teller.said) == 1


def test_a_break_and_the_alarm_that_says_the_same_are_told_once(teller: Teller) -> None:
    from decimal import Decimal as D

    teller.happened(e.BreakSeen("BTC", D(1), D(2), "1 here, 2 there"), e.Alarm("1 here, 2 there", symbol="BTC"))
    assert len(teller.said) == 1 and "no entries in BTC" in teller.said[0]


def test_a_problem_is_told_when_it_lasts_once_over_restarts_and_a_day_later(teller: Teller) -> None:
    teller.problems = [Alert("unwatched", "critical", "nobody watches the exits")]
    teller.alerts.step()
    assert teller.said == []  # a restart of the watcher is none
    teller.later(60)
    assert teller.said == ["trade-mcp critical: nobody watches the exits"]
    teller.later(3600)
    teller.restart()
    teller.later(3 * 3600)
    assert len(teller.said) == 1
    teller.later(21 * 3600)
    assert teller.said[1:] == ["trade-mcp critical: still so: nobody watches the exits"]


def test_a_problem_that_comes_and_goes_is_counted(teller: Teller) -> None:
    wrong = [Alert("silent", "warning", "the feed is silent")]
    for _ in range(5):
        teller.problems = wrong
        teller.later(60)
        teller.problems = []
        teller.later(300)
    assert len(teller.said) == 1
    teller.later(3600)
    assert len(teller.said) == 2 and "4 times: the feed is silent" in teller.last


def test_a_flood_becomes_one_summary_that_names_everything_and_a_halt_passes(teller: Teller) -> None:
    teller.happened(*(e.Alarm(f"thing {name}") for name in "abcdefghijklmnop"))
    assert len(teller.said) == 6 and "11 alerts more, seen again or held back" in teller.said[-1]
    assert all(f"thing {name}" in teller.last for name in "fghijklmnop")
    teller.happened(e.Alarm("thing q"), HALT)
    assert "halted" in teller.said[-1] and len(teller.said) == 7
    teller.later(3700)
    assert len(teller.said) == 8 and "thing q" in teller.last


def test_a_flood_of_halts_ends_too(teller: Teller) -> None:
    for _ in range(40):
        teller.happened(HALT, GO_ON)
    assert len(teller.said) <= 6


def test_a_crash_before_the_message_is_kept_leaves_the_event_unread(
    teller: Teller, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(outbox, "add", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            teller.happened(HALT)
    assert teller.said == []
    teller.restart()
    teller.alerts.step()
    assert len(teller.said) == 1


def test_two_clerks_that_look_at_once_tell_once(teller: Teller, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = teller.alerts, Teller(teller.desk, teller.clock).alerts
    monkeypatch.setattr(first, "_lasting", lambda: second.step() or [])  # between the look and the writing of the first
    teller.happened(HALT)
    assert len(teller.said) == 1


def test_what_happened_before_there_was_a_channel_is_no_news(teller: Teller) -> None:
    teller.restart(channels=())
    teller.happened(HALT, refused("1"))
    teller.restart(channels=("mail",))
    teller.alerts.step()
    assert teller.said == []


def test_what_others_wrote_is_cleaned_and_says_where_it_is_from(teller: Teller) -> None:
    teller.restart(clean=lambda text: text.replace("hunter2", "[hidden]"), sign="desk mine (paper) on here")
    teller.happened(e.Alarm("the venue said: key hunter2 is wrong"))
    assert "hunter2" not in teller.said[0] + teller.last and "desk mine (paper) on here" in teller.last


def test_a_broken_channel_is_told_by_the_others_alone(teller: Teller) -> None:
    teller.restart(channels=("mail", "webhook"))
    teller.alerts.tell(Alert("broken mail", "warning", "mail delivers nothing"), but_not="mail")
    assert teller.desk.engine.rows("SELECT channel FROM outbox") == [("webhook",)]
    teller.restart(channels=("mail",))
    teller.alerts.tell(Alert("broken mail too", "warning", "mail delivers nothing"), but_not="mail")
    assert len(teller.said) == 1
