"""What a ledger says of itself: sums that agree, of ever and of lately, by strategy, symbol and source."""

from datetime import timedelta
from decimal import Decimal as D

import pytest

from tests.office.story import START, Story
from trade_mcp.domain import events as e
from trade_mcp.domain.order import Source
from trade_mcp.office.analysis import Group, Orders, analyse
from trade_mcp.office.portfolio import Portfolio
from trade_mcp.office.span import asked


class Quoted:
    """Prices that are what they are."""

    def __init__(self, **marks: str):
        self._marks = {f"{base}/USDT": D(price) for base, price in marks.items()}

    def marks(self, symbols: object) -> dict[str, D]:
        return self._marks


def test_the_desk_now(told: Story) -> None:
    now = analyse(told.log).now
    assert (now.mode, now.feed, now.synthetic, now.currency) == ("paper", "synthetic-7", True, "USDT")
    assert now.as_of == START + timedelta(days=3, minutes=5)
    assert (now.realised, now.fees, now.unrealised) == (D(50), D("9.25"), D(50))
    assert now.cash == D(10_000) + 50 - D("9.25") - 2200
    assert now.equity == D(10_000) + now.realised + (now.unrealised or 0) - now.fees == now.cash + 2250
    assert now.exposure == pytest.approx(2250 / 10_090.75)
    assert now.heat == pytest.approx(0.1 * (22_500 - 21_560) / 10_090.75)
    assert now.drawdown == pytest.approx((10_095.9 - 10_090.75) / 10_095.9)
    [held] = now.positions
    assert (held.symbol, held.size, held.entry, held.mark) == ("BTC/USDT", D("0.1"), D(22_000), D(22_500))
    assert (held.stop, held.target, held.owner, held.protected) == (D(21_560), None, Source.LOOP, True)


def test_what_happened_ever(told: Story) -> None:
    found = analyse(told.log)
    assert found.orders == Orders(6, {"loop": 2, "exit": 2, "model": 2}, {"filled": 5, "working": 1})
    assert found.fills == 5
    trades = found.trades
    assert (trades.closed, trades.wins, trades.losses, trades.win_rate) == (2, 1, 1, 0.5)
    assert trades.profit_factor == pytest.approx(95.9 / 52.95)
    assert found.refusals == {"heat": 1, "cash": 1}
    assert found.by_strategy == {
        "ema_cross": Group(1, 1, 0, 1.0, None, D(100), D("4.1"), D(0)),
        "none": Group(1, 0, 1, 0.0, 0.0, D(-50), D("2.95"), D(0)),
        "rsi_reversion": Group(0, 0, 0, None, None, D(0), D("2.2"), D(50)),
    }
    assert {name: group.net for name, group in found.by_exit.items()} == {
        "target": D("95.9"),
        "model": D("-52.95"),
        "open": D("-2.2"),
    }
    assert set(found.by_hour) == {"00"}
    assert found.by_source["loop"].realised == D(100)
    assert found.by_source["model"].realised == D(-50)
    for groups in (found.by_strategy, found.by_symbol, found.by_source, found.by_hour, found.by_exit):
        assert sum(group.realised for group in groups.values()) == found.now.realised
        assert sum(group.fees for group in groups.values()) == found.now.fees
        assert sum(group.unrealised or 0 for group in groups.values()) == found.now.unrealised
        assert sum(group.closed for group in groups.values()) == trades.closed


def test_a_period_counts_what_happened_in_it(told: Story) -> None:
    found = analyse(told.log, asked("2d"))
    assert found.since == START + timedelta(days=1, minutes=5)
    assert found.orders.by_source == {"model": 2, "loop": 1, "exit": 1}
    assert (found.fills, found.trades.closed, found.trades.wins) == (3, 1, 0)
    assert set(found.by_symbol) == {"BTC/USDT", "ETH/USDT"}
    assert found.by_symbol["BTC/USDT"].realised == 0
    assert found.now.realised == D(50)
    found = analyse(told.log, asked("1h"))
    assert (found.refusals, found.trades.closed, found.fills) == ({}, 0, 1)


def test_the_worst_drawdown_is_of_the_marks_and_net_of_flows(story: Story) -> None:
    story.at(hours=1).tell(e.FlowRecorded(D(10_000), "deposit"))
    story.mark()
    story.order("l1", "buy", "1", price="10000")
    story.at(hours=2).mark(BTC="8000")
    story.at(hours=3).mark(BTC="12000")
    story.at(hours=4).mark(BTC="11000")
    found = analyse(story.log)
    assert found.max_drawdown == pytest.approx(0.1)
    assert found.now.drawdown == pytest.approx(1 / 22)
    assert analyse(story.log, asked("1h")).max_drawdown == pytest.approx(1 / 22)


def test_a_symbol_bought_after_the_last_mark_counts_at_its_fill(story: Story) -> None:
    story.mark(BTC="100")
    story.at(hours=1).order("l1", "buy", "1", price="120")
    now = analyse(story.log).now
    assert (now.positions[0].mark, now.unrealised, now.as_of) == (D(120), D(0), START + timedelta(hours=1))


def test_the_live_portfolio_is_of_the_prices_of_now(told: Story) -> None:
    now = Portfolio(told.log, Quoted(BTC="23000"), clock=told.clock)()
    assert (now.unrealised, now.equity, now.unpriced) == (D(100), now.cash + 2300, ())


def test_without_a_price_equity_is_unknown_and_says_of_what(told: Story) -> None:
    now = Portfolio(told.log, Quoted(), clock=told.clock)()
    assert (now.equity, now.unrealised, now.drawdown, now.exposure, now.unpriced) == (
        None,
        None,
        None,
        None,
        ("BTC/USDT",),
    )
    assert (now.positions[0].mark, now.positions[0].value) == (None, None)
