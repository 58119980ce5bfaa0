"""One paper account, many processes: nobody sees a locked file, and a kill at any moment leaves whole orders."""

import random
import subprocess
import sys
import threading
import time
from decimal import Decimal
from pathlib import Path

import pytest

from trade_mcp.domain.errors import VenueRejected
from trade_mcp.domain.order import Side
from trade_mcp.venues.paper import PaperVenue
from venues.bars import STEP, HandClock, order
from venues.racer import CASH, COINS, market, opened

TESTS = Path(__file__).parents[1]


def race(path: Path, name: str, turns: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "venues.racer", str(path), name, str(turns)]
    return subprocess.Popen(command, cwd=TESTS, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def check_books(venue: PaperVenue) -> set[str]:
    """Every order whole, every coin accounted for; the ids the account knows."""
    reports, _ = venue.reports_since("")
    expected = {"USDT": CASH, "BTC": COINS}
    trades = [fill for report in reports for fill in report.fills]
    for report in reports:
        assert report.filled == sum(fill.size for fill in report.fills)
    for fill in trades:
        expected["BTC"] += fill.side.sign * fill.size
        expected["USDT"] -= fill.side.sign * fill.size * fill.price
        expected[fill.fee_currency] -= fill.fee
    assert len({fill.trade_id for fill in trades}) == len(trades)
    balances = venue.balances()
    assert {currency: balance.total for currency, balance in balances.items()} == expected
    assert all(balance.free >= 0 for balance in balances.values())
    return {report.order_id for report in reports}


def test_two_processes_at_once_never_see_a_locked_file(tmp_path: Path) -> None:
    path = tmp_path / "paper.db"
    racers = [race(path, name, 80) for name in ("a", "b")]
    acknowledged: set[str] = set()
    for racer in racers:
        out, err = racer.communicate(timeout=60)
        assert racer.returncode == 0, err
        acknowledged |= set(out.split())
    assert len(acknowledged) > 80
    assert acknowledged <= check_books(opened(path, HandClock(), market()))


def test_a_kill_at_any_moment_leaves_whole_orders(tmp_path: Path) -> None:
    path, moments = tmp_path / "paper.db", random.Random(11)
    acknowledged: set[str] = set()
    for round_ in range(5):
        racer = race(path, f"r{round_}x", 100_000)
        assert racer.stdout is not None
        acknowledged.add(racer.stdout.readline().strip())  # it trades
        time.sleep(moments.uniform(0, 0.08))
        racer.kill()
        out, _ = racer.communicate()
        acknowledged |= {line.strip() for line in out.splitlines(keepends=True) if line.endswith("\n")}
        venue = opened(path, HandClock(), market())
        assert acknowledged <= check_books(venue)
        venue.close()


def test_threads_share_one_venue(tmp_path: Path) -> None:
    venue = opened(tmp_path / "paper.db", HandClock(), market())
    failed: list[Exception] = []

    def work(name: str) -> None:
        try:
            for turn in range(20):
                venue.submit((order(f"{name}{turn}", size="0.1"),))
                venue.balances()
        except Exception as error:  # a thread must not die in silence
            failed.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(check_books(venue)) == 80


def test_two_racing_for_the_last_coins_sell_them_once(tmp_path: Path) -> None:
    path, feed = tmp_path / "paper.db", market()
    venues = [opened(path, HandClock(), feed) for _ in range(2)]
    barrier, outcomes = threading.Barrier(2), []

    def sell(venue: PaperVenue, name: str) -> None:
        barrier.wait()
        try:
            venue.submit((order(name, Side.SELL, "3"),))
            outcomes.append("sold")
        except VenueRejected:
            outcomes.append("refused")

    for round_ in range(10):
        threads = [threading.Thread(target=sell, args=(v, f"{i}-{round_}")) for i, v in enumerate(venues)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["refused", "sold"]
        outcomes.clear()
        venues[0].submit((order(f"back-{round_}", size="3"),))
        for venue in venues:
            venue._clock.at += 2 * STEP  # type: ignore[attr-defined]
    assert venues[0].balances()["BTC"].total == Decimal(5)


@pytest.mark.nightly
def test_a_thousand_turns_of_four_processes(tmp_path: Path) -> None:
    path = tmp_path / "paper.db"
    racers = [race(path, name, 1000) for name in "abcd"]
    for racer in racers:
        _, err = racer.communicate(timeout=600)
        assert racer.returncode == 0, err
    check_books(opened(path, HandClock(), market()))
