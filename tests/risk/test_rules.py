"""Every rule fires just beyond its limit, lets pass what is just inside, and says so in a whole sentence."""

from datetime import date, timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from risk.risk_cases import (
    BTC,
    ETH,
    NOW,
    STOP_2,
    book,
    buy,
    entered,
    failing,
    held,
    judged,
    policy,
    quote,
    sell,
    view,
)
from trade_mcp.domain.book import Book, Brake, Streak
from trade_mcp.domain.calendar import Span
from trade_mcp.domain.distances import Distance
from trade_mcp.domain.events import TradingState
from trade_mcp.domain.exits import ExitPlan, Levels
from trade_mcp.domain.instrument import spot
from trade_mcp.domain.order import Order, OrderType, Role, Source
from trade_mcp.risk.brakes import EQUITY_BRAKES
from trade_mcp.risk.clusters import Correlations
from trade_mcp.risk.policy import LIMITS
from trade_mcp.risk.rules import RULES
from trade_mcp.risk.verdict import SENTENCES

LOOP = Source.LOOP
LEGS = [
    sell(10, order_id="e-stop-1", role=Role.STOP, group="e-exit-1", trigger_price=D(98), source=Source.EXIT),
    sell(10, order_id="e-target-1", role=Role.TARGET, group="e-exit-1", limit_price=D(110), source=Source.EXIT),
]


def span(start_h: int, end_h: int) -> Span:
    return Span(NOW + timedelta(hours=start_h), NOW + timedelta(hours=end_h))


def resting(price: str) -> Order:
    return sell(10, order_id="t", role=Role.TARGET, group="g", limit_price=D(price), source=Source.EXIT)


def bidding(price: str) -> Order:
    return buy(1, order_id="b", limit_price=D(price))


def aims(target: int) -> ExitPlan:
    return ExitPlan(stop=D(98), target=D(target))


def heated(strategy: str, *, stop: str, owner: Source = Source.LOOP) -> Book:
    """100 ETH at 10 that lose (10 - ``stop``) each at their stop."""
    return book(cash=D(9000), positions={ETH: held(109, at=10, stop=stop, owner=owner, strategy=strategy)})


def clustered() -> Book:
    """Half of the equity in ETH."""
    return book(cash=D(4990), positions={ETH: held(501, at=10, stop="9.99")})


def moving(correlation: float) -> Correlations:
    return Correlations(date(2023, 2, 28), {BTC: {ETH: correlation}, ETH: {BTC: correlation}})


def stop_at(price: Any) -> ExitPlan:
    return ExitPlan(stop=D(str(price)))


# rule, case: what is judged just beyond the limit and just inside, and the sentence of the refusal
CASES: list[tuple[str, str, dict[str, Any], dict[str, Any], str]] = [
    (
        "finite",
        "size",
        {"asked": buy("NaN")},
        {"asked": buy("0.12345")},
        "size is NaN: expected a number above 0 and up to 1000000000000, with at most 20 digits",
    ),
    (
        "trading_state",
        "halted",
        {"asked": buy(), "of": book(state=TradingState.HALTED, state_reason="lunch")},
        {"asked": sell(1), "of": book(state=TradingState.HALTED, positions={BTC: held(1)})},
        "trading is halted (lunch): only cancels, exits and closes pass until a person resumes, and this is an entry",
    ),
    (
        "trading_state",
        "halted, a sell that protects nothing",
        {"asked": sell(1, role=Role.ENTRY), "of": book(state=TradingState.HALTED, positions={BTC: held(1)})},
        {"asked": sell(1, role=Role.STOP), "of": book(state=TradingState.HALTED, positions={BTC: held(1)})},
        "trading is halted: only cancels, exits and closes pass until a person resumes, and this is a sell",
    ),
    (
        "trading_state",
        "reducing",
        {"asked": buy(), "of": book(state=TradingState.REDUCING)},
        {"asked": sell(1, role=Role.ENTRY), "of": book(state=TradingState.REDUCING, positions={BTC: held(1)})},
        "trading is reducing: only cancels and reductions pass until a person resumes, and this is an entry",
    ),
    (
        "policy_in_force",
        "another",
        {"asked": buy(), "seen": view(policy_here="other", policy_keys=("max_heat", "allow"))},
        {"asked": buy()},
        "the limits of this process differ in max_heat, allow from those in force; "
        "'trade-mcp policy adopt' takes over the file's",
    ),
    (
        "symbol_lists",
        "not allowed",
        {"asked": buy(), "limits": policy(allow=(ETH,))},
        {"asked": buy(), "limits": policy(allow=(BTC,))},
        "BTC/USDT is not on the allow list (ETH/USDT)",
    ),
    (
        "symbol_lists",
        "denied",
        {"asked": buy(), "limits": policy(deny=(BTC,))},
        {"asked": buy(), "limits": policy(deny=(ETH,))},
        "BTC/USDT is on the deny list",
    ),
    (
        "owner",
        "the loop adds to the chat's position",
        {"asked": buy(1, source=LOOP), "of": book(positions={BTC: held(1)})},
        {"asked": buy(1, source=LOOP), "of": book(positions={BTC: held(1, owner=LOOP)})},
        "the position in BTC/USDT belongs to the chat (model): the loop neither adds to it nor sells it",
    ),
    (
        "owner",
        "the loop sells the chat's position",
        {"asked": sell(1, source=LOOP), "of": book(positions={BTC: held(1)})},
        {"asked": sell(1, source=Source.MODEL), "of": book(positions={BTC: held(1, owner=LOOP)})},
        "the position in BTC/USDT belongs to the chat (model): the loop neither adds to it nor sells it",
    ),
    (
        "owner",
        "the chat's entry is in flight",
        {"asked": buy(1, source=LOOP), "of": book(orders=[buy(1, order_id="a", limit_price=D(99))])},
        {"asked": buy(1, source=LOOP), "of": book(orders=[buy(1, order_id="a", limit_price=D(99), source=LOOP)])},
        "the chat (model) has an entry in BTC/USDT in flight: the loop adds nothing to it",
    ),
    (
        "owner",
        "protected whole",
        {"asked": sell(1), "of": book(positions={BTC: held(1)}), "limits": policy(protected={BTC: None})},
        {"asked": sell(1), "of": book(positions={BTC: held(1)}), "limits": policy(protected={ETH: None})},
        "BTC/USDT is protected: the desk neither buys nor sells it",
    ),
    (
        "owner",
        "protected down to a size",
        {"asked": sell("0.50001"), "of": book(positions={BTC: held(1)}), "limits": policy(protected={"BTC": D("0.5")})},
        {"asked": sell("0.5"), "of": book(positions={BTC: held(1)}), "limits": policy(protected={"BTC": D("0.5")})},
        "0.49999 BTC would be left; 0.5 of it is protected",
    ),
    (
        "owner",
        "an entry whose coins would be protected",
        {"asked": buy(1), "limits": policy(protected={"BTC": D("0.5")})},
        {"asked": buy(1), "of": book(external={"BTC": D("0.5")}), "limits": policy(protected={"BTC": D("0.5")})},
        "the first 0.5 BTC are protected and 0 is held: what is bought now could not be sold again",
    ),
    (
        "owner",
        "protected cash",
        {"asked": buy(10), "limits": policy(protected={"USDT": D("8999.1")})},
        {"asked": buy(10), "limits": policy(protected={"USDT": D(8999)})},
        "8999 USDT would be left; 8999.1 of it is protected",
    ),
    (
        "venue_limits",
        "lot",
        {"asked": buy("1.000005")},
        {"asked": buy("1.00001")},
        "a size of 1.000005 BTC is not a multiple of the venue's lot 0.00001",
    ),
    (
        "venue_limits",
        "tick",
        {"asked": buy(1, limit_price=D("99.995"))},
        {"asked": buy(1, limit_price=D("99.99"))},
        "a price of 99.995 USDT is not a multiple of the venue's tick 0.01",
    ),
    (
        "venue_limits",
        "max_size",
        {"asked": buy("10000000.00001")},
        {"asked": sell(10), "of": book(positions={BTC: held(10)})},
        "a size of 10000000 BTC is above the venue's maximum of 10000000; split it",
    ),
    (
        "venue_limits",
        "min_size",
        {"asked": buy("0.000001")},
        {"asked": buy("0.1")},
        "a size of 0.000001 BTC is below the venue's minimum of 0.00001 BTC",
    ),
    (
        "venue_limits",
        "min_notional",
        {"asked": buy("0.04999", limit_price=D(100))},
        {"asked": buy("0.06", limit_price=D(100))},
        "an order of 4.999 USDT is below the venue's minimum of 5 USDT",
    ),
    (
        "venue_limits",
        "a reduction to nothing the venue takes",
        {"asked": sell("0.05"), "of": book(positions={BTC: held("0.05")})},
        {"asked": sell("0.05001"), "of": book(positions={BTC: held("0.05001")})},
        "an order of 4.9995 USDT is below the venue's minimum of 5 USDT: it is dust, which stays in the account until "
        "more is bought",
    ),
    (
        "venue_limits",
        "dust",
        {"asked": buy("0.0510")},
        {"asked": buy("0.0512")},
        "after fees 4.99212 USDT would be left to sell (at the stop, or at the bid without one) and the venue takes no "
        "order below 5 USDT: it could not be sold again",
    ),
    (
        "fresh_quote",
        "age",
        {"asked": buy(), "seen": view(quote=quote(due_s=31))},
        {"asked": buy(), "seen": view(quote=quote(due_s=30))},
        "the next price of BTC/USDT is 31 s overdue; the limit is 30 s",
    ),
    (
        "fresh_quote",
        "missing",
        {"asked": buy(), "seen": view(quote=None, quote_problem="the replay has ended")},
        {"asked": buy()},
        "there is no price of BTC/USDT now: the replay has ended",
    ),
    (
        "fresh_quote",
        "crossed",
        {"asked": buy(), "seen": view(quote=quote(bid="100.01"))},
        {"asked": buy(), "seen": view(quote=quote(bid=100))},
        "bid/ask of BTC/USDT is 100.01/100, which is no price",
    ),
    (
        "price_band",
        "limit",
        {"asked": buy(limit_price=D("102.01"))},
        {"asked": buy(limit_price=D("102.00"))},
        "a price of 102.01 is 2.01 % from the quote 100; the limit is 2.00 %",
    ),
    (
        "price_band",
        "trigger",
        {"asked": buy(trigger_price=D("97.99"), type=OrderType.STOP)},
        {"asked": buy(trigger_price=D("98.00"), type=OrderType.STOP)},
        "a price of 97.99 is 2.01 % from the quote 100; the limit is 2.00 %",
    ),
    (
        "price_band",
        "jump",
        {"asked": buy(), "seen": view(quote=quote(bid="105.01", ask="105.01"))},
        {"asked": buy(), "seen": view(quote=quote(bid="105", ask="105"))},
        "the quote 105.01 is 5.01 % from the last trades (100); the limit is 5.00 %",
    ),
    (
        "price_band",
        "history",
        {"asked": buy(), "seen": view(recent=None)},
        {"asked": buy(), "seen": view(recent=(D(100),))},
        "there are no recent trades of BTC/USDT to hold the quote against",
    ),
    (
        "cash",
        "fee",
        {"asked": buy(10), "of": book(cash=D("1000.99"))},
        {"asked": buy(10), "of": book(cash=D("1001.00"))},
        "the order may cost 1001 USDT with fee and slippage; 1000.99 USDT is free beside what is in flight",
    ),
    (
        "cash",
        "in flight",
        {
            "asked": buy(10),
            "of": book(cash=D("2001.99"), orders=[buy(10, order_id="a", symbol=ETH, worst_price=D(100))]),
        },
        {"asked": buy(10), "of": book(cash=D(2002), orders=[buy(10, order_id="a", symbol=ETH, worst_price=D(100))])},
        "the order may cost 1001 USDT with fee and slippage; 1000.99 USDT is free beside what is in flight",
    ),
    (
        "cash",
        "slippage",
        {"asked": buy(10, worst_price=D(101)), "of": book(cash=D("1011.00"))},
        {"asked": buy(10, worst_price=D(101)), "of": book(cash=D("1011.01"))},
        "the order may cost 1011.01 USDT with fee and slippage; 1011 USDT is free beside what is in flight",
    ),
    (
        "holdings",
        "more than held",
        {"asked": sell("1.00001"), "of": book(positions={BTC: held(1)}, external={"BTC": D(5)})},
        {"asked": sell("1"), "of": book(positions={BTC: held(1)}, external={"BTC": D(5)})},
        "the order sells 1.00001 BTC; the desk holds 1; 5 BTC in the account are not the desk's and are never sold",
    ),
    (
        "holdings",
        "already being sold",
        {"asked": sell(3), "of": book(positions={BTC: held(12)}, orders=LEGS)},
        {"asked": sell(2), "of": book(positions={BTC: held(12)}, orders=LEGS)},
        "the order sells 3 BTC; the desk holds 12 and is selling 10 of it already (exits count once; close_position "
        "replaces them)",
    ),
    (
        "stop_required",
        "none",
        {"asked": buy(exits=None)},
        {"asked": buy(exits=ExitPlan(trail=Distance(fraction=D("0.02"))))},
        "the position in BTC/USDT would have no stop; give stop_loss or trailing, or set a default in [exits]",
    ),
    (
        "stop_required",
        "wrong side",
        {"asked": buy(exits=stop_at("99.99"))},
        {"asked": buy(exits=stop_at("99.98"))},
        "the stop 99.99 is not below the price 99.99",
    ),
    (
        "stop_required",
        "below zero",
        {"asked": buy(exits=ExitPlan(stop=Distance(amount=D(100))))},
        {"asked": buy(1, exits=ExitPlan(stop=Distance(amount=D(99))))},
        "the stop -0.01 is not above 0",
    ),
    (
        "stop_required",
        "target",
        {"asked": buy(exits=ExitPlan(stop=D(98), target=D("99.99")))},
        {"asked": buy(exits=ExitPlan(stop=D(98), target=D("100.00")))},
        "the target 99.99 is not above the price 99.99",
    ),
    (
        "order_notional",
        "quote",
        {"asked": buy("15.00001")},
        {"asked": buy("15")},
        "order notional would be 15.00001 % of equity; the limit is 15.00000 %",
    ),
    (
        "order_notional",
        "limit price",
        {"asked": buy("15", limit_price=D("100.01"))},
        {"asked": buy("14.9", limit_price=D("100.01"))},
        "order notional would be 15.002 % of equity; the limit is 15.000 %",
    ),
    (
        "concentration",
        "position, live buy and this",
        {
            "asked": buy("10.00001"),
            "of": book(cash=D(9000), positions={BTC: held(10)}, orders=[buy(5, order_id="a", limit_price=D(100))]),
        },
        {
            "asked": buy(10),
            "of": book(cash=D(9000), positions={BTC: held(10)}, orders=[buy(5, order_id="a", limit_price=D(100))]),
        },
        "the symbol with all its live buys would be 25.00001 % of equity; the limit is 25.00000 %",
    ),
    (
        "exposure",
        "everything",
        {"asked": buy(11), "of": book(cash=D(2000), positions={ETH: held(800, at=10, stop="9.9")})},
        {"asked": buy(10), "of": book(cash=D(2000), positions={ETH: held(800, at=10, stop="9.9")})},
        "exposure would be 91.0 % of equity; the limit is 90.0 %",
    ),
    (
        "open_positions",
        "with entries in flight",
        {
            "asked": buy(1),
            "of": book(positions={ETH: held(1)}, orders=[buy(1, order_id="a", symbol="A/USDT")]),
            "limits": policy(max_open_positions=2),
        },
        {
            "asked": buy(1),
            "of": book(positions={ETH: held(1, dust=True)}, orders=[buy(1, order_id="a", symbol="A/USDT")]),
            "limits": policy(max_open_positions=2),
        },
        "open positions, with entries in flight, would be 3; the limit is 2",
    ),
    (
        "open_orders",
        "a group counts once",
        {
            "asked": buy(1),
            "of": book(positions={BTC: held(10)}, orders=[*LEGS, buy(1, order_id="a")]),
            "limits": policy(max_open_orders=2),
        },
        {
            "asked": buy(1),
            "of": book(positions={BTC: held(10)}, orders=[*LEGS]),
            "limits": policy(max_open_orders=2),
        },
        "live orders would be 3; the limit is 2",
    ),
    (
        "trade_risk",
        "at the stop",
        {"asked": buy(10, exits=stop_at("89.99"))},
        {"asked": buy(10, exits=stop_at("90"))},
        "the loss at the stop would be 1.001 % of equity; the limit is 1.000 %",
    ),
    (
        "trade_risk",
        "without a stop, all of it",
        {"asked": buy("1.00001", exits=None), "limits": policy(require_stop=False)},
        {"asked": buy("1", exits=None), "limits": policy(require_stop=False)},
        "the loss at the stop would be 1.00001 % of equity; the limit is 1.00000 %",
    ),
    (
        "heat",
        "positions, live entries and this",
        {
            "asked": buy(10, exits=stop_at("91.99")),
            "of": book(
                cash=D(8000),
                positions={ETH: held(200, at=10, stop="7.9")},
                orders=[buy(10, order_id="a", limit_price=D(100), exits=stop_at(90))],
            ),
        },
        {
            "asked": buy(10, exits=stop_at("92")),
            "of": book(
                cash=D(8000),
                positions={ETH: held(200, at=10, stop="7.9")},
                orders=[buy(10, order_id="a", limit_price=D(100), exits=stop_at(90))],
            ),
        },
        "open risk would be 6.001 % of equity; the limit is 6.000 %",
    ),
    (
        "heat",
        "a position without a stop counts whole",
        {"asked": buy(1, exits=stop_at(98)), "of": book(positions={ETH: held(60, at=10, stop=None)}, cash=D(9400))},
        {"asked": buy(1, exits=stop_at(98)), "of": book(positions={ETH: held(59, at=10, stop=None)}, cash=D(9400))},
        "open risk would be 6.02 % of equity; the limit is 6.00 %",
    ),
    (
        "duplicate",
        "twin",
        {"asked": buy(10), "of": book(entered=entered(9.9))},
        {"asked": buy(10), "of": book(entered=entered(10))},
        "another entry of 10 BTC/USDT was accepted 9.9 s ago; within 10 s that is taken for a duplicate",
    ),
    (
        "duplicate",
        "another size or symbol is none",
        {"asked": buy(10), "of": book(entered=[*entered(3), *entered(2, size=9)])},
        {"asked": buy(10), "of": book(entered=[*entered(3, symbol=ETH), *entered(2, size=9)])},
        "another entry of 10 BTC/USDT was accepted 3 s ago; within 10 s that is taken for a duplicate",
    ),
    (
        "orders_per_minute",
        "rate",
        {"asked": buy(1), "of": book(entered=entered(59, 40, 30, 20, 10))},
        {"asked": buy(1), "of": book(entered=entered(60, 40, 30, 20, 10))},
        "entries within a minute would be 6; the limit is 5",
    ),
    (
        "orders_per_day",
        "rate",
        {"asked": buy(1), "of": book(entered=entered(86_399, 4_000)), "limits": policy(max_orders_per_day=2)},
        {"asked": buy(1), "of": book(entered=entered(86_400, 4_000)), "limits": policy(max_orders_per_day=2)},
        "entries within a day would be 3; the limit is 2",
    ),
    (
        "watcher_alive",
        "silence",
        {"asked": buy(), "seen": view(watcher_silence_s=60.5)},
        {"asked": buy(), "seen": view(watcher_silence_s=60.0)},
        "the watcher of the exits was last seen 60.5 s ago; the limit is 60 s",
    ),
    (
        "watcher_alive",
        "never seen",
        {"asked": buy(), "seen": view(watcher_silence_s=None)},
        {"asked": buy()},
        "no watcher has been seen, and nobody else watches the exits; start 'trade-mcp watch' or 'up'",
    ),
    (
        "venue_break",
        "break",
        {"asked": buy(), "of": book(breaks={"BTC": "ours 1, the venue's 2"})},
        {"asked": buy(), "of": book(breaks={"ETH": "ours 1, the venue's 2"})},
        "book and venue disagree about BTC (ours 1, the venue's 2): no entries there until it is settled",
    ),
    (
        "spread",
        "wide",
        {"asked": buy(), "seen": view(quote=quote("98.99", "100"))},
        {"asked": buy(), "seen": view(quote=quote("99.01", "100"))},
        "bid and ask of BTC/USDT are 1.02 % apart; the limit is 1.00 %",
    ),
    (
        "session",
        "closed",
        {"asked": buy(), "seen": view(sessions=(span(-9, -1), span(1, 9)))},
        {"asked": buy(), "seen": view(sessions=(span(-9, 1), span(2, 9)))},
        "BTC/USDT does not trade now; its next session opens 2023-03-01 13:00 UTC",
    ),
    (
        "session",
        "closed for a sell at the market",
        {"asked": sell(), "of": book(positions={BTC: held(10)}), "seen": view(sessions=())},
        {"asked": resting("110"), "of": book(positions={BTC: held(10)}), "seen": view(sessions=())},
        "BTC/USDT does not trade now; no later session is known",
    ),
    (
        "session",
        "quiet",
        {"asked": buy(), "seen": view(quiet=(span(-1, 1),))},
        {"asked": sell(), "of": book(positions={BTC: held(10)}), "seen": view(quiet=(span(-1, 1),))},
        "it is a quiet hour: nothing is entered until 2023-03-01 13:00 UTC",
    ),
    (
        "self_trade",
        "a buy at our own target",
        {"asked": buy(1, limit_price=D("100.5")), "of": book(positions={BTC: held(10)}, orders=[resting("100.5")])},
        {"asked": buy(1, limit_price=D("100.5")), "of": book(positions={BTC: held(10)}, orders=[resting("100.51")])},
        "this buy at 100.5 would trade with t of our own at 100.5; cancel or move that one first",
    ),
    (
        "self_trade",
        "a sell at our own bid",
        {"asked": sell(1), "of": book(positions={BTC: held(10)}, orders=[bidding("99.99")])},
        {"asked": sell(1), "of": book(positions={BTC: held(10)}, orders=[bidding("99.98")])},
        "this sell at 99.99 would trade with b of our own at 99.99; cancel or move that one first",
    ),
    (
        "reward_to_risk",
        "near",
        {"asked": buy(1, exits=aims(103)), "limits": policy(min_reward_to_risk=D(2))},
        {"asked": buy(1, exits=aims(104)), "limits": policy(min_reward_to_risk=D(2))},
        "the target of BTC/USDT is 1.5 times as far as its stop; at least 2 is required",
    ),
    (
        "reward_to_risk",
        "no target",
        {"asked": buy(1), "limits": policy(min_reward_to_risk=D(2))},
        {"asked": buy(1, exits=aims(104)), "limits": policy(min_reward_to_risk=D(2))},
        "the entry in BTC/USDT has no target, and a reward of 2 times the risk is required; give take_profit",
    ),
    (
        "stage",
        "a strategy without a record",
        {"asked": buy("3.76", source=LOOP, strategy="ema_cross"), "limits": policy(stage={"ema_cross": "small"})},
        {"asked": buy("3.75", source=LOOP, strategy="ema_cross"), "limits": policy(stage={"ema_cross": "small"})},
        "an order of ema_cross, which trades small, would be 3.76 % of equity; the limit is 3.75 %",
    ),
    (
        "stage",
        "the chat, whatever it calls its strategy",
        {"asked": buy(4, strategy="ema_cross"), "limits": policy(stage={"ema_cross": "full", "*": "small"})},
        {
            "asked": buy(4, strategy="ema_cross", source=LOOP),
            "limits": policy(stage={"ema_cross": "full", "*": "small"}),
        },
        "an order of chat, which trades small, would be 4.0 % of equity; the limit is 3.8 %",
    ),
    (
        "heat_per_strategy",
        "the loop's",
        {"asked": buy(10, source=LOOP, strategy="a"), "of": heated("a", stop="7.4"), "limits": policy()},
        {"asked": buy(10, source=LOOP, strategy="b"), "of": heated("a", stop="7.4"), "limits": policy()},
        "open risk of a would be 3.01 % of equity; the limit is 3.00 %",
    ),
    (
        "heat_per_strategy",
        "the chat's, under all its names",
        {"asked": buy(10, strategy="x"), "of": heated("y", stop="7.4", owner=Source.MODEL)},
        {"asked": buy(10, strategy="x"), "of": heated("y", stop="7.5", owner=Source.MODEL)},
        "open risk of chat would be 3.01 % of equity; the limit is 3.00 %",
    ),
    (
        "correlation",
        "known",
        {"asked": buy(10), "of": clustered(), "seen": view(correlations=moving(0.8))},
        {"asked": buy(10), "of": clustered(), "seen": view(correlations=moving(0.79))},
        "BTC/USDT, ETH/USDT, which move together, would be 60.1 % of equity; the limit is 60.0 % "
        "(correlations of 2023-02-28)",
    ),
    (
        "correlation",
        "unknown",
        {"asked": buy(10), "of": clustered()},
        {"asked": buy(9), "of": clustered()},
        "BTC/USDT, ETH/USDT, which move together, would be 60.1 % of equity; the limit is 60.0 % "
        "(their correlations are not known and count as 1)",
    ),
    (
        "loss_streak",
        "rests",
        {"asked": buy(), "of": book(streaks={"chat": Streak(5, NOW - timedelta(minutes=59))})},
        {"asked": buy(), "of": book(streaks={"chat": Streak(5, NOW - timedelta(minutes=60))})},
        "chat lost 5 trades in a row and rests until 2023-03-01 12:01 UTC; the limit is 5",
    ),
    (
        "loss_streak",
        "another strategy",
        {"asked": buy(source=LOOP, strategy="a"), "of": book(streaks={"a": Streak(6, NOW)})},
        {"asked": buy(source=LOOP, strategy="b"), "of": book(streaks={"a": Streak(6, NOW)})},
        "a lost 6 trades in a row and rests until 2023-03-01 13:00 UTC; the limit is 5",
    ),
    (
        "repeats",
        "count",
        {"asked": buy(1), "of": book(entered=entered(3_599, 300, 200, 100, 70, by="chat"))},
        {"asked": buy(1), "of": book(entered=entered(3_600, 300, 200, 100, 70, by="chat"))},
        "entries of chat in BTC/USDT within an hour would be 6; the limit is 5",
    ),
    (
        "repeats",
        "until a person looks",
        {"asked": buy(1), "of": book(brakes={"repeats:chat BTC/USDT": Brake("repeats", TradingState.ACTIVE, NOW, "")})},
        {"asked": buy(1), "of": book(brakes={"repeats:chat ETH/USDT": Brake("repeats", TradingState.ACTIVE, NOW, "")})},
        "chat entered BTC/USDT too often within an hour; a person must look, then: trade-mcp resume",
    ),
    (
        "approval",
        "size",
        {"asked": buy("10.1")},
        {"asked": buy("10")},
        "the entry is 10.1 % of equity; above 10.0 % a person decides",
    ),
    (
        "approval",
        "always",
        {"asked": buy("0.1"), "limits": policy(ask="always")},
        {"asked": buy("15"), "limits": policy(ask="never")},
        "a person decides every entry",
    ),
    (
        "approval",
        "approved, and the price moved on",
        {"asked": buy("12"), "seen": view(shown=D("98.9"))},
        {"asked": buy("12"), "seen": view(shown=D("99.1"))},
        "the price 100 is 1.1 % from 98.9, at which a person was asked; the limit is 1.0 %",
    ),
]


@pytest.mark.parametrize(("rule", "case", "beyond", "inside", "said"), CASES, ids=[f"{c[0]}: {c[1]}" for c in CASES])
def test_a_rule_fires_just_beyond_its_limit_and_passes_just_inside(
    rule: str, case: str, beyond: dict[str, Any], inside: dict[str, Any], said: str
) -> None:
    refusal = judged(**beyond)[rule]
    assert (refusal.passed, refusal.reason) == (False, said)
    passed = judged(**inside)[rule]
    assert passed.passed, passed.reason
    assert passed.reason


def test_an_ordinary_entry_an_exit_and_a_close_pass_every_rule() -> None:
    full = book(cash=D(9000), positions={BTC: held(10)}, orders=LEGS)
    assert failing(buy()) == []
    assert failing(sell(10), of=full, replacing=["e-stop-1", "e-target-1"]) == []
    assert failing(LEGS[1], of=book(cash=D(9000), positions={BTC: held(10)}, orders=LEGS[:1])) == []


def test_every_rule_has_a_case_a_sentence_and_every_limit_a_rule() -> None:
    names = [rule.name for rule in RULES]
    assert sorted(names) == sorted(set(names)) == sorted(SENTENCES)
    assert set(names) == {case[0] for case in CASES}
    assert {limit.rule for limit in LIMITS.values()} <= set(names) | {brake.name for brake in EQUITY_BRAKES} | {
        "rejections"
    }


def test_whoever_is_at_a_stop_gets_out_past_an_order_of_our_own() -> None:
    of = book(positions={BTC: held(10)}, orders=[bidding("99.99")])
    assert failing(sell(1), of=of) == ["self_trade"]
    assert failing(sell(1, source=Source.EXIT), of=of) == []


def test_a_reduction_is_judged_only_by_what_may_refuse_one() -> None:
    verdicts = judged(sell(10), of=book(positions={BTC: held(10)}))
    assert list(verdicts) == [
        "finite",
        "trading_state",
        "owner",
        "venue_limits",
        "session",
        "holdings",
        "self_trade",
    ]


def test_an_unknown_mark_makes_equity_unknown_and_refuses_entries_by_name() -> None:
    of = book(positions={"XRP/USDT": held(10), ETH: held(1, at=10)})
    verdicts = judged(buy(1), of=of)
    assert verdicts["exposure"].reason == "exposure cannot be judged: no price of XRP/USDT"
    assert not verdicts["heat"].passed and not verdicts["order_notional"].passed


def test_without_equity_nothing_is_entered_and_nothing_divides_by_it() -> None:
    verdicts = judged(buy(1), of=book(cash=D(-5)))
    assert verdicts["order_notional"].reason == "order notional cannot be judged: equity is -5"
    assert failing(buy(1), of=book(cash=D(0)))


def test_one_wick_among_the_recent_trades_moves_no_band() -> None:
    assert failing(buy(), seen=view(recent=(D(100), D(100), D(150)))) == []
    spiked = quote(bid=150, ask=150)
    assert "price_band" in failing(buy(1), seen=view(recent=(D(100), D(100), D(150)), quote=spiked))


def test_a_distant_stop_of_a_limit_order_is_held_against_its_own_price() -> None:
    assert failing(buy(1, limit_price=D(98), exits=ExitPlan(stop=Distance(fraction=D("0.01"))))) == []


def test_a_sound_instrument_with_tiny_steps_never_overflows() -> None:
    tiny = spot(BTC, lot="1e-18", tick="1e-18")
    assert failing(buy("9.123456789012345678"), seen=view(instrument=tiny)) == []


def test_a_trailing_stop_counts_from_its_peak() -> None:
    trail = Levels(trail=Distance(fraction=D("0.02")), peak=D(12))
    of = book(positions={ETH: held(10, at=10, levels=trail)}, cash=D(9900))
    assert judged(buy(1, exits=STOP_2), of=of)["heat"].measured == D("0.0002")


def test_measured_fractions_are_exact_numbers_of_equity() -> None:
    verdict = judged(buy("7.5"))["order_notional"]
    assert (verdict.measured, verdict.limit) == (D("0.075"), D("0.15"))
