"""The page docs/faults.md: which fault is met by which test, over how many seeds. A run of the tests writes it."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

ROWS: dict[int, tuple[str, str]] = {
    1: ("create times out; the order did reach the venue", "found by our id, adopted, never sent again"),
    2: ("create times out; it did not reach the venue", "closed as never placed after the grace"),
    3: ("5xx or reset in the middle of a POST", "no layer sends it again"),
    4: ("crash after the intent, before the send", "the next start looks it up, then closes it"),
    5: ("crash after the send, before its answer", "the next start adopts the venue's order"),
    6: ("crash between a fill and the position", "booked once, by its trade id"),
    7: ("crash between the entry's fill and its stop", "the stop is placed first thing at the next start"),
    8: ("cancel sent, the fill was faster", "the fill is booked, the stop sized to it"),
    9: ("cancelled, then a late fill is reported", "the fill wins, with an alarm"),
    10: ("the same fill by two ways", "once"),
    11: ("a fill before the order's acknowledgement", "kept and applied"),
    12: ("an older status after a newer one", "an end is never taken back"),
    13: ("stream down, fills missed", "fetched since the last known at the reconnect"),
    14: ("stream alive, and silent", "the audit finds out"),
    15: ("a stream that never begins", "noticed in its deadline, REST takes over, said aloud"),
    16: ("a half-formed candle", "never taken as closed"),
    17: ("frozen or old prices", "no entries; exits stay watched"),
    18: ("a gap of hours in the candles", "refilled; no signal across it"),
    19: ("network down with orders open", "still tracked: a network error is no 'not found'"),
    20: ("the balances cannot be had", "unknown, not flat"),
    21: ("an empty list with status 200", "each order is asked for before it counts as ended"),
    22: ("balances lag behind a fill", "a bounded wait, nothing dropped"),
    23: ("the fee is taken in the base coin", "the exit is as large as what is held"),
    24: ("the exit is below the minimum", "dust is booked, frees the slot, is told"),
    25: ("an entry in part, then a time-out and a cancel", "the part is kept and protected"),
    26: ("an exit in part", "the stop covers the rest at once"),
    27: ("the venue refuses the stop", "a market exit and an alarm"),
    28: ("the stop is reached and does not sell", "after a grace a market sell of what is held"),
    29: ("a stop left behind after the close", "swept"),
    30: ("two stops for one position", "exactly one survives"),
    31: ("the venue holds another order than asked for", "told, taken back, placed anew"),
    32: ("stop, target and peak over a restart", "there before the first tick; a peak never falls"),
    33: ("a live position that the book lost", "recorded as external and told; no order is invented"),
    34: ("two loops; one wakes past its lease", "the old epoch can neither write nor send"),
    35: ("chat and loop spend the same cash at once", "one gate: never more than the limit"),
    36: ("the database is busy", "a bounded wait, no record skipped"),
    37: ("the disk is full", "only a needed exit leaves, through the spill"),
    38: ("the clock is off, or steps", "measured again; the order leaves once"),
    39: ("429, 418, a ban", "backs off; the budget is kept for exits and cancels"),
    40: ("another hand trades on the account", "external, told, never corrected"),
    41: ("spike, NaN, zero, negative price", "refused before any comparison"),
    42: ("a model's answer that is malformed, repeated or poisoned", "no opinion or one order, never two"),
    43: ("a limit price used to slip under a cap", "the worst case counts"),
    44: ("mail server down, a report crashes", "the tick goes on, told once"),
    45: ("kill -9 of any process at any moment", "all of the above, again"),
}
STORM = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 19, 20, 21, 22, 23, 25, 26, 29, 30, 32, 38, 39, 40, 45})
CRASHES = frozenset({4, 5, 6, 7, 10, 29, 30, 45})
RUN = frozenset({1, 5, 6, 7, 13, 14, 19, 23, 26, 34, 45})
SEEDED = {"any_storm": (STORM, "storm"), "killed_the_next_one": (CRASHES, "crash points"), "bad_exchange": (RUN, "run")}
ATTACKS = "tests/redteam"  # of model output, in rows of their own
NUMBERED = re.compile(r"test_fault((?:_\d\d)+)_")


def rows_of(name: str) -> list[int]:
    """The rows that a test is named after.

    >>> rows_of("test_fault_04_05_a_crash_around_the_send"), rows_of("test_a_quiet_day")
    ([4, 5], [])
    """
    found = NUMBERED.search(name)
    return [] if found is None else [int(number) for number in found[1].split("_")[1:]]


def page(passed: Iterable[str]) -> str:
    """The page, from the ids of the tests that passed."""
    cases: Counter[str] = Counter(nodeid.partition("[")[0] for nodeid in passed)
    proven: dict[int, list[str]] = {row: [] for row in ROWS}
    seeds: dict[str, int] = {name: 0 for _, name in SEEDED.values()}
    attacks = sum(count for nodeid, count in cases.items() if nodeid.startswith(ATTACKS))
    if attacks:
        proven[42].append(f"[{attacks} attacks](../{ATTACKS})")
    for nodeid, count in sorted(cases.items()):
        path, _, test = nodeid.partition("::")
        for row in rows_of(test):
            proven[row].append(f"[{test.removeprefix('test_')}](../{path})" + (f" x{count}" if count > 1 else ""))
        for mark, (_, name) in SEEDED.items():
            if mark in test and "storm_exchange" in path:
                seeds[name] += count
    for rows, name in SEEDED.values():
        for row in rows:
            if seeds[name]:
                proven[row].append(f"{name}, {seeds[name]} seed" + ("s" if seeds[name] > 1 else ""))
    lines = [f"| {row} | {fault} | {must} | {'<br>'.join(proven[row])} |" for row, (fault, must) in ROWS.items()]
    return HEAD + "\n".join(lines) + "\n"


HEAD = """# What the desk survives

A test plays each row through by its number: rows 1 to 35, 38 to 40, 43 and 45 with the real desk on ccxt
against the [practice exchange](practice.md), the others where they can happen. *storm*: two desks on one ledger, seeded
faults, restarts and another hand, all invariants after every step. *crash points*: kill -9 at every journal write and
every request of the life of an entry with its exits (20 seeds are every point). *run*: the whole desk as real programs
on recorded candles under faults, with two kills; it prints how long positions were without their stop. Ten minutes of
it (`TRADE_MCP_SEA_S=600`, 5 % of answers lost, 1,617 orders): book = exchange to the last digit, protected after
0.01 s (p50), 0.13 s (p99), 0.47 s (the longest).

Written by a run of the tests, with what passed in it; change it by running them:

    uv run pytest -m "storm or not storm" -k "test_fault or storm_exchange or redteam" --seeds 200 \\
        --faults-page docs/faults.md

| # | what goes wrong | what must happen | proven by |
|---|---|---|---|
"""


def written(path: Path) -> dict[int, str]:
    """The rows of a page: number to what proves it."""
    found = re.findall(r"^\| (\d+) \|.*\| (.*) \|$", path.read_text("utf-8"), flags=re.MULTILINE)
    return {int(number): proof for number, proof in found}
