"""The outbox and its post: every message once, later if need be, in whoever's hands; a dead channel is told of once."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from clocks import ManualClock
from trade_mcp.domain.errors import NotDelivered
from trade_mcp.office.post import Post
from trade_mcp.ports import Message
from trade_mcp.store import outbox
from trade_mcp.store.engine import Engine, open_memory


class Letterbox:
    """A channel that takes messages, or fails as it is told."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.fails: Callable[[Message], Exception | None] = lambda _: None

    def deliver(self, message: Message) -> None:
        if (error := self.fails(message)) is not None:
            raise error
        self.got.append(message.id)


class Office:
    def __init__(self) -> None:
        self.clock, self.engine, self.box = ManualClock(), open_memory(), Letterbox()
        self.broken: list[str] = []
        self.failed: list[Exception] = []
        self.post = self.new_post()

    def new_post(self) -> Post:
        return Post(
            self.engine,
            "mail",
            self.box,
            clock=self.clock,
            delivered=lambda _: None,
            failed=lambda _, error: self.failed.append(error),
            broken=self.broken.append,
        )

    def write(self, *ids: str, channels: tuple[str, ...] = ("mail",)) -> None:
        for name in ids:
            outbox.put(self.engine, Message(name, name, "t"), channels, now=self.clock.real())

    def work(self, seconds: float = 0) -> None:
        """Rounds for so long, one every second."""
        for _ in range(int(seconds) + 1):
            while self.post.waits() and self.post.hand_over():
                pass
            self.clock.pass_(1)


@pytest.fixture
def office() -> Office:
    return Office()


def fault(name: str, **more: object) -> Callable[[Message], Exception]:
    return lambda _: NotDelivered("no", fault=name, **more)  # type: ignore[arg-type]


def test_what_waits_is_handed_over_in_order_and_once(office: Office) -> None:
    office.write("a", "b", "c")
    office.work(10)
    assert office.box.got == ["a", "b", "c"]
    assert [(state.queued, state.failed) for state in outbox.states(office.engine)] == [(0, 0)]


def test_a_picture_comes_back_as_it_was(office: Office) -> None:
    outbox.put(office.engine, Message("1", "s", "t", images={"a": b"\x00\xff"}), ("mail",), now=office.clock.real())
    one = outbox.claim(office.engine, "mail", now=office.clock.real())
    assert one is not None and one.message.images == {"a": b"\x00\xff"}


def test_a_claimed_message_is_nobody_elses_until_the_claim_runs_out(office: Office) -> None:
    office.write("a")
    now = office.clock.real()
    first = outbox.claim(office.engine, "mail", now=now)
    assert first is not None and outbox.claim(office.engine, "mail", now=now) is None
    again = outbox.claim(office.engine, "mail", now=now + timedelta(minutes=3))  # whoever had it crashed
    assert again is not None and (again.message.id, again.attempts) == ("a", 2)


def test_a_dead_channel_is_tried_less_and_less_told_once_and_loses_nothing(office: Office) -> None:
    office.write("a", "b", "c")
    office.box.fails = fault("channel")
    office.work(3600)
    assert 6 <= len(office.failed) <= 12
    assert len(office.broken) == 1 and "mail delivers nothing" in office.broken[0]
    office.box.fails = lambda _: None
    office.work(1000)
    assert sorted(office.box.got) == ["a", "b", "c"]


def test_the_next_clerk_tries_at_once(office: Office) -> None:
    office.write("a")
    office.box.fails = fault("channel")
    office.work(300)
    office.box.fails = lambda _: None
    office.post = office.new_post()  # a person has mended the settings and started the program again
    office.work()
    assert office.box.got == ["a"]


def test_a_channel_that_dies_again_is_told_again(office: Office) -> None:
    for _ in range(2):
        office.write("x")
        office.box.fails = fault("channel")
        office.work(300)
        office.box.fails = lambda _: None
        office.work(300)
    assert len(office.broken) == 2 and len(office.box.got) == 2


def test_a_message_that_must_wait_holds_up_no_other(office: Office) -> None:
    office.write("grey", "b")
    grey = NotDelivered("later", fault="passing")
    office.box.fails = lambda message: grey if message.id == "grey" else None
    office.work(5)
    assert office.box.got == ["b"]
    office.box.fails = lambda _: None
    office.work(10)
    assert office.box.got == ["b", "grey"]


def test_a_message_that_no_server_survives_keeps_none_behind_it(office: Office) -> None:
    office.write("poison", "b", "c")
    down = NotDelivered("gone", fault="channel")
    office.box.fails = lambda message: down if message.id == "poison" else None
    office.work(60)
    assert office.box.got == ["b", "c"]


def test_a_bug_met_with_one_message_stops_no_other(office: Office) -> None:
    office.write("odd", "b")
    office.box.fails = lambda message: UnicodeError("a secret word") if message.id == "odd" else None
    office.work(5)
    assert office.box.got == ["b"] and isinstance(office.failed[0], UnicodeError)
    (state,) = outbox.states(office.engine)
    assert (state.queued, state.error) == (1, "UnicodeError")


def test_who_was_refused_for_now_is_tried_again_alone(office: Office) -> None:
    office.write("a")
    office.box.fails = fault("passing", left=("b@example.org",))
    office.work()
    seen: list[tuple[str, ...]] = []
    office.box.fails = lambda message: seen.append(message.to)  # type: ignore[func-returns-value]
    office.work(15)
    assert seen == [("b@example.org",)]


def test_a_message_refused_for_good_is_told_kept_and_not_tried_again(office: Office) -> None:
    office.write("a")
    office.box.fails = fault("final", hint="mend it")
    office.work(3600)
    assert len(office.failed) == 1
    assert office.broken == ["a message could not be delivered by mail and is not tried again: no\nhint: mend it"]
    (state,) = outbox.states(office.engine)
    assert (state.queued, state.failed, state.error) == (0, 1, "no")
    assert office.engine.rows("SELECT payload FROM outbox") != [("",)]


def test_after_a_week_a_message_is_given_up(office: Office) -> None:
    office.write("a")
    office.box.fails = fault("channel")
    office.clock.pass_(8 * 86400)
    office.work()
    (state,) = outbox.states(office.engine)
    assert (state.queued, state.failed) == (0, 1) and len(office.broken) == 1


def test_a_dead_channel_stops_no_other(office: Office) -> None:
    office.write("a", channels=("mail", "webhook"))
    office.box.fails = fault("channel")
    office.work()
    assert outbox.waits(office.engine, "webhook", now=office.clock.real())
    mail, webhook = outbox.states(office.engine)
    assert (mail.error, webhook.error, webhook.queued) == ("no", "", 1)
    assert mail.since is not None


def test_what_was_sent_is_forgotten_after_a_while_and_what_waits_is_not(office: Office) -> None:
    office.write("a")
    office.work()
    office.write("b")
    assert outbox.drop_old(office.engine, before=office.clock.real() + timedelta(days=1)) == 1
    assert _ids(office.engine) == ["b"]


def _ids(engine: Engine) -> list[str]:
    return [name for (name,) in engine.rows("SELECT message_id FROM outbox")]
