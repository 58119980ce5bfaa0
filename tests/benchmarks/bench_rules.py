"""Goal 9: all risk rules once (must: p50 at most 25 us, wanted 10): propose and assess an entry on a full desk."""

import time
from decimal import Decimal as D
from statistics import quantiles

import pytest
from risk.risk_cases import BTC, ETH, POLICY, book, buy, held, view

from trade_mcp.risk.assess import assess, refused
from trade_mcp.risk.proposal import propose

pytestmark = pytest.mark.bench
ROUNDS = 20_000


def test_all_rules_once() -> None:
    full = book(cash=D(8_000), positions={BTC: held(5), ETH: held(50, at=10, stop=9)})
    seen, order = view(), buy(D("2"))
    assert not refused(assess(propose(full, order, seen), POLICY))
    took: dict[str, list[int]] = {"propose": [], "propose and assess": []}
    for _ in range(ROUNDS):
        began = time.perf_counter_ns()
        proposal = propose(full, order, seen)
        middle = time.perf_counter_ns()
        assess(proposal, POLICY)
        took["propose"].append(middle - began)
        took["propose and assess"].append(time.perf_counter_ns() - began)
    print("\n| what | p50, us | p99, us |\n|---|---|---|")
    for name, times in took.items():
        cuts = quantiles(times, n=100)
        print(f"| {name} | {cuts[49] / 1000:.1f} | {cuts[98] / 1000:.1f} |")
