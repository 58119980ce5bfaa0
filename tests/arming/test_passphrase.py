"""The passphrase at rest: a salted slow hash, and tries that get slower, however many try at once."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing

import pytest

from clocks import ManualClock
from desk.conftest import ledger_at_head, stage
from trade_mcp.app import App
from trade_mcp.domain.errors import RefusedError
from trade_mcp.store import passphrase as kept
from trade_mcp.store.passphrase import Passphrase, TooSoon, WrongPassphrase

__all__ = ["ledger_at_head", "stage"]

Stage = Callable[..., App]
RIGHT = "correct horse battery staple"


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "COST", 2**10)


def test_what_is_kept_is_a_salted_hash(stage: Stage) -> None:
    app = stage()
    one, two = Passphrase(app.engine, clock=ManualClock()), Passphrase(app.engine, clock=ManualClock())
    assert not one.is_set
    one.set(RIGHT)
    with closing(sqlite3.connect(app.engine.path)) as db:
        ((text,),) = db.execute("SELECT hash FROM operator").fetchall()
    name, cost, block, lanes, salt, key = text.split("$")
    assert (name, cost, block, lanes, len(salt), len(key)) == ("scrypt", "1024", "8", "1", 32, 64)
    two.check(RIGHT)
    with pytest.raises(RefusedError, match="already"):
        two.set("another horse battery staple")
    two.check(RIGHT)


def test_every_wrong_try_makes_the_next_wait_twice_as_long(stage: Stage) -> None:
    clock = ManualClock()
    phrase = Passphrase(stage().engine, clock=clock)
    phrase.set(RIGHT)
    for waits in (1, 2, 4, 8):
        with pytest.raises(WrongPassphrase):
            phrase.check("wrong horse battery staple")
        clock.pass_(waits - 0.5)
        with pytest.raises(TooSoon):  # it is not even looked at
            phrase.check(RIGHT)
        clock.pass_(0.6)
    phrase.check(RIGHT)
    phrase.check(RIGHT)
    for _ in range(14):
        clock.pass_(1000)
        with pytest.raises(WrongPassphrase):
            phrase.check("")
    clock.pass_(1)
    with pytest.raises(TooSoon, match="in 899 s"):
        phrase.check(RIGHT)
    clock.pass_(-100_000)  # a clock set back locks nobody out
    phrase.check(RIGHT)


def test_many_at_once_get_one_try(stage: Stage) -> None:
    phrase = Passphrase(stage().engine, clock=ManualClock())
    phrase.set(RIGHT)
    said: list[str] = []

    def guess(number: int) -> None:
        try:
            phrase.check(f"guess number {number}")
        except RefusedError as no:
            said.append(type(no).__name__)

    threads = [threading.Thread(target=guess, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(said) == ["TooSoon"] * 11 + ["WrongPassphrase"]


@pytest.mark.parametrize("bad", ["", "short", "x" * 1025])
def test_a_new_one_has_some_length(stage: Stage, bad: str) -> None:
    phrase = Passphrase(stage().engine, clock=ManualClock())
    with pytest.raises(RefusedError):
        phrase.set(bad)
    with pytest.raises(RefusedError, match="no passphrase"):
        phrase.check(RIGHT)
    assert not phrase.is_set
