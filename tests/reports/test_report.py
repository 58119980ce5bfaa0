"""What a report says: of a story, of nothing, of one trade, of synthetic and of real prices."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.office.story import START, Story, tell_all
from trade_mcp.domain import events as e
from trade_mcp.domain.errors import NoPrice
from trade_mcp.domain.events import TradingState
from trade_mcp.domain.order import Role, Source
from trade_mcp.office.reporting import PastPrices, Report, report
from trade_mcp.office.span import Asked, asked
from trade_mcp.quant.candles import Candles, ms_of
from trade_mcp.reports.body import body
from trade_mcp.reports.page import page_of
from trade_mcp.reports.sections import sections
from trade_mcp.reports.sections.summary import sentences
from trade_mcp.reports.text import WIDTH, text
from trade_mcp.risk.policy import Policy, policy_hash, policy_text

MADE = datetime(2023, 3, 5, tzinfo=UTC)


@dataclass
class Straight:
    """Hourly candles whose close rises by a hundredth of the start each hour; without ``gone`` symbols."""

    identity: str = "synthetic-7"
    timeframe: str = "1h"
    gone: Sequence[str] = ()

    def candles(self, symbol: str, timeframe: str, *, now: datetime, limit: int) -> Candles:
        if symbol in self.gone:
            raise NoPrice("none")
        last = ms_of(now) // 3_600_000
        opens = np.arange(last - limit, last, dtype=np.int64)
        close = 100 + (opens + 1 - ms_of(START) // 3_600_000).astype(float)
        return Candles(symbol, timeframe, opens * 3_600_000, close - 1, close + 2, close - 3, close, np.ones(limit))


def made(story: Story, period: Asked | None = None, **prices: Any) -> Report:
    return report(story.log, period or asked("all"), PastPrices(**prices))


def told_as_text(story: Story, period: Asked | None = None, **prices: Any) -> str:
    return text(page_of(made(story, period, **prices), name="all", made_at=MADE))


def test_what_happened_is_told_in_sentences(told: Story) -> None:
    assert sentences(made(told, feed=Straight(), symbols=("BTC/USDT", "ETH/USDT"))) == [
        "Equity went from 10,000.00 to 10,090.75 USDT: +90.75, +0.91%.",
        "2 trades closed, 1 won and 1 lost: together they made 42.95 USDT after 7.05 of fees.",
        "Holding BTC/USDT and ETH/USDT in equal parts would have made +72.00% before costs; doing nothing, 0%.",
        "The deepest fall from a peak was 1.01%.",
        "Requests were refused by heat (1 time) and cash (1 time).",
    ]


def test_the_numbers_of_a_span_agree_with_each_other(told: Story) -> None:
    told.at(days=3, hours=1).tell(e.FlowRecorded(D(500), "deposit"))
    told.mark(BTC="22500")
    found = made(told, asked("2d"))
    worth = found.worth
    assert (worth.start, worth.flow) == (D("10095.9"), D(500))
    assert worth.end == found.found.now.equity == D("10590.75")
    assert worth.change == D("-5.15")
    assert worth.growth == pytest.approx(-5.15 / 10095.9, rel=1e-3)
    assert found.costs.fees == sum(group.fees for group in found.found.by_symbol.values()) == D("5.15")
    assert (found.costs.fills, found.costs.turnover) == (3, D(5150))
    assert found.costs.of_turnover == pytest.approx(0.001)
    assert [trade.symbol for trade in found.trades] == ["ETH/USDT"]
    past = made(told, asked(start="2023-03-01", end="2023-03-02"))
    assert (past.worth.start, past.worth.end, past.worth.flow) == (D(10_000), D("10095.9"), D(0))
    assert [trade.symbol for trade in past.trades] == ["BTC/USDT"]
    assert past.found.refusals == {}
    assert "Held now" not in [section.title for section in sections(past)]


def test_excursions_come_from_the_candles_and_are_unknown_without_them(told: Story) -> None:
    first, second = made(told, feed=Straight(), symbols=()).trades
    assert first.excursion is None  # from 00:05 to 01:00 there is no whole hour
    assert second.excursion is not None
    assert (second.excursion.candles, second.excursion.missing) == (1, 0)
    assert {trade.excursion for trade in made(told, feed=Straight(identity="another")).trades} == {None}
    shown = told_as_text(told, feed=None)
    assert "unknown" in shown
    assert "Unknown where no candle lies inside the trade, or none is here." in " ".join(shown.split())


def test_a_baseline_names_what_it_is_made_of_and_what_is_missing(told: Story) -> None:
    held = made(told, feed=Straight(gone=["ETH/USDT"])).baseline
    assert (held.symbols, held.without, held.growth) == (("BTC/USDT",), ("ETH/USDT",), pytest.approx(0.72))
    nothing = made(told, feed=Straight(gone=["BTC/USDT", "ETH/USDT"])).baseline
    assert (nothing.growth, nothing.unknown) == (None, "there are no candles from the start of the period")
    foreign = made(told, feed=Straight(identity="another")).baseline
    assert (foreign.growth, foreign.unknown) == (None, "the candles of this ledger's feed are not here")


@pytest.mark.parametrize("period", ["all", "day", "7d"])
def test_an_empty_ledger_reads_well(tmp_path: Path, story: Story, period: str) -> None:
    shown = told_as_text(story, asked(period))
    assert "Nothing happened in this period." in shown
    assert "nan" not in shown.lower()
    assert "None" not in shown


def test_a_period_before_the_ledger_began_is_empty(told: Story) -> None:
    found = made(told, asked(start="2022-01-01", end="2022-02-01"), feed=Straight())
    assert (found.worth.start, found.trades, found.found.fills) == (None, (), 0)
    assert sentences(found) == ["Nothing happened in this period."]


def test_one_trade_makes_no_ratio(story: Story) -> None:
    story.at(minutes=5).order("l1", "buy", "0.1", price="20000", fee="2", strategy="ema_cross", stop="19600")
    story.at(hours=2).order("l2", "sell", "0.1", price="21000", fee="2.1", source=Source.EXIT, role=Role.TARGET)
    story.mark()
    found = made(story, feed=Straight())
    assert {name: measure.missing for name, measure in found.measures.items()} == {
        "sharpe": "not enough hourly returns: 2 of 30",
        "sortino": "not enough hourly returns: 2 of 30",
        "calmar": "not enough days: 0 of 30",
        "win_rate": "not enough trades: 1 of 5",
        "profit_factor": "not enough trades: 1 of 5",
        "expectancy": "not enough trades: 1 of 5",
    }
    shown = told_as_text(story, feed=Straight())
    assert "1 trade closed, 1 won and 0 lost: together they made 95.90 USDT after 4.10 of" in shown
    assert "not enough trades: 1 of 5" in shown


def test_the_limits_and_their_use_are_told(told: Story) -> None:
    limits = policy_text(Policy(max_exposure=D("0.1")))
    told.tell(e.PolicyAdopted(policy_hash(limits), limits, "test"))
    told.tell(e.EquityMarked(told.clock.now, D(10_090), D(7840), D("0.223"), D("0.009"), {"BTC/USDT": D(22500)}))
    use = {use.key: use for use in made(told).risk}
    assert use["max_exposure"].highest == pytest.approx(0.223)
    assert float(use["max_exposure"].now or 0) == pytest.approx(0.223, rel=0.01)
    assert float(use["max_exposure"].limit) == 0.1
    assert "all positions and live buys" in told_as_text(told)


def test_alarms_and_halts_are_told_with_what_outsiders_wrote_cleaned(told: Story) -> None:
    told.tell(e.Alarm("the stop of BTC/USDT was rejected \x1b[31m"))
    told.tell(e.StateChanged(TradingState.HALTED, "<b>too hot</b>", Source.MODEL))
    found = made(told)
    assert [one.kind for one in found.health.troubles] == ["alarm", "state"]
    shown = told_as_text(told)
    assert "Trading is halted: <b>too hot</b>." in shown
    assert "\x1b" not in shown


def test_synthetic_prices_are_called_so_and_real_ones_are_not(told: Story, tmp_path: Path) -> None:
    shown = told_as_text(told)
    assert "SYNTHETIC" in shown
    assert "Trades (synthetic prices)" in shown
    real = Story(tmp_path / "real" / "ledger.db", synthetic=False)
    tell_all(real)
    assert "synthetic prices" not in told_as_text(real).lower()
    real.engine.close()


def test_the_text_fits_a_terminal(told: Story) -> None:
    told.order(
        "x", "buy", "1", price="1", strategy="a-very-long-name-of-a-strategy-somebody-invented", symbol="ETH/USDT"
    )
    told.order("y", "sell", "1", price="2", symbol="ETH/USDT")
    shown = told_as_text(told, feed=Straight())
    assert max(map(len, shown.splitlines())) <= WIDTH


def test_the_json_has_everything_and_money_as_text(told: Story) -> None:
    said = body(made(told, feed=Straight()), name="all", made_at="2023-03-05T00:00:00+00:00")
    again = json.loads(json.dumps(said, allow_nan=False))
    assert again["worth"]["end"] == "10090.75"
    assert again["synthetic"] is True
    assert [trade["net"] for trade in again["closed"]] == ["95.9", "-52.95"]
    assert again["baseline"]["growth"] == pytest.approx(0.72)
    assert again["measures"]["sharpe"]["sample"] == 72
    assert again["curve"][-1] == {
        "at": "2023-03-04T00:05:00Z",
        "equity": 10090.75,
        "drawdown": pytest.approx(0.00051, abs=1e-5),
    }


def test_a_day_without_trades_says_so(told: Story) -> None:
    told.at(days=8).tell(
        e.EquityMarked(START + timedelta(days=8), D(10_090), D(7840), D("0.2"), D("0.01"), {"BTC/USDT": D(22_500)})
    )
    found = made(told, asked("day"))
    assert sentences(found)[1] == "No trade was closed; nothing was traded."
    assert (found.costs.of_turnover, found.costs.of_profit) == (None, None)
