"""Verdict: a rule's answer. Light where orders are judged; its reason is put into words only when somebody reads it."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec import Struct, structs


class Verdict(Struct, frozen=True, gc=False):
    """Whether ``rule`` lets the order pass, with what it measured and the limit, both in the limit's unit.

    ``detail`` is what the sentence needs beside them: a case by name, then its numbers and texts.
    """

    rule: str
    passed: bool
    measured: Any = None
    limit: Any = None
    detail: tuple[Any, ...] = ()

    @property
    def reason(self) -> str:
        """A full sentence with numbers, for a pass as well as for a refusal."""
        return SENTENCES[self.rule](self)


def plain(number: Decimal | float | int) -> str:
    """A number as people write it: no exponent, no trailing zeros, at most ten significant digits.

    >>> plain(Decimal("1E+3")), plain(Decimal("0.30000")), plain(12.5)
    ('1000', '0.3', '12.5')
    """
    exact = Decimal(number) if not isinstance(number, float) else Decimal(repr(number))
    return format(Decimal(f"{exact:.10g}").normalize(), "f") if exact else "0"


def percents(measured: Decimal, limit: Decimal) -> tuple[str, str]:
    """Two fractions in percent, with as many decimals as it takes to tell them apart.

    >>> percents(Decimal("0.182"), Decimal("0.15")), percents(Decimal("0.15004"), Decimal("0.15"))
    (('18.2 %', '15.0 %'), ('15.004 %', '15.000 %'))
    """
    for places in range(1, 7):
        a, b = f"{measured * 100:.{places}f} %", f"{limit * 100:.{places}f} %"
        if a != b or measured == limit:
            return a, b
    return a, b


def _seconds(age_s: float) -> str:
    return plain(round(age_s, 1))


def _finite(v: Verdict) -> str:
    if v.passed:
        return "every number of the order is one"
    field, text = v.detail
    shown = text if len(text) <= 40 else f"{text[:40]}..."
    return f"{field} is {shown}: expected a number above 0 and up to 1000000000000, with at most 20 digits"


def _trading_state(v: Verdict) -> str:
    kind, why = v.detail
    because = f" ({why})" if why else ""
    if v.passed:
        return f"trading is {v.measured}{because}"
    allowed = "cancels and reductions" if v.measured == "reducing" else "cancels, exits and closes"
    end = "a person resumes" if v.limit is None else _moment(v.limit)
    return f"trading is {v.measured}{because}: only {allowed} pass until {end}, and this is {_KINDS[kind]}"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


_KINDS = {"entry": "an entry", "reduce": "a sell", "cancel": "a cancel", "loosen": "a looser stop"}


def _policy_in_force(v: Verdict) -> str:
    if v.passed:
        return "this process has the limits that are in force"
    keys = f" in {', '.join(v.detail)}" if v.detail else ""
    return (
        f"the limits of this process differ{keys} from those in force; 'trade-mcp policy adopt' takes over the file's"
    )


def _symbol_lists(v: Verdict) -> str:
    case, symbol, allow = v.detail
    if case == "denied":
        return f"{symbol} is on the deny list"
    if case == "allowed":
        return f"{symbol} is on the allow list"
    return f"{symbol} is not on the allow list ({', '.join(allow) or 'which is empty'})"


def _owner(v: Verdict) -> str:
    case, name, *rest = v.detail
    if case == "position":
        return f"the position in {name} belongs to the chat ({rest[0]}): the loop neither adds to it nor sells it"
    if case == "order":
        return f"the chat ({rest[0]}) has an entry in {name} in flight: the loop adds nothing to it"
    if case == "all":
        return f"{name} is protected: the desk neither buys nor sells it"
    if case == "least":
        return f"{plain(rest[0])} {name} would be left; {plain(rest[1])} of it is protected"
    if case == "first":
        return (
            f"the first {plain(rest[1])} {name} are protected and {plain(rest[0])} is held: "
            "what is bought now could not be sold again"
        )
    return f"nobody else owns what this order moves in {name}"


def _venue_limits(v: Verdict) -> str:
    if v.passed:
        return "the venue takes an order like this"
    case, base, quote, kind = v.detail
    measured, limit = plain(v.measured), plain(v.limit)
    reduces = kind == "reduce"
    if case == "lot":
        return f"a size of {measured} {base} is not a multiple of the venue's lot {limit}"
    if case == "tick":
        return f"a price of {measured} {quote} is not a multiple of the venue's tick {limit}"
    if case == "max_size":
        return f"a size of {measured} {base} is above the venue's maximum of {limit}; split it"
    if case == "max_notional":
        return f"an order of {measured} {quote} is above the venue's maximum of {limit}; split it"
    if case == "dust":
        return (
            f"after fees {measured} {quote} would be left to sell (at the stop, or at the bid without one) and the "
            f"venue takes no order below {limit} {quote}: it could not be sold again"
        )
    dust = ": it is dust, which stays in the account until more is bought" if reduces else ""
    if case == "min_size":
        return f"a size of {measured} {base} is below the venue's minimum of {limit} {base}{dust}"
    return f"an order of {measured} {quote} is below the venue's minimum of {limit} {quote}{dust}"


def _fresh_quote(v: Verdict) -> str:
    case, symbol, *rest = v.detail
    if case == "missing":
        return f"there is no price of {symbol} now" + (f": {rest[0]}" if rest[0] else "")
    if case == "unsound":
        return f"bid/ask of {symbol} is {rest[0]}, which is no price"
    return f"the next price of {symbol} is {_seconds(v.measured)} s overdue; the limit is {v.limit} s"


def _price_band(v: Verdict) -> str:
    case, *rest = v.detail
    if case == "history":
        return f"there are no recent trades of {rest[0]} to hold the quote against"
    measured, limit = percents(v.measured, v.limit)
    price, against = plain(rest[0]), plain(rest[1])
    if case == "limit":
        return f"a price of {price} is {measured} from the quote {against}; the limit is {limit}"
    return f"the quote {price} is {measured} from the last trades ({against}); the limit is {limit}"


def _spread(v: Verdict) -> str:
    measured, limit = percents(v.measured, v.limit)
    return f"bid and ask of {v.detail[0]} are {measured} apart; the limit is {limit}"


def _session(v: Verdict) -> str:
    case, symbol, at = v.detail
    if case == "closed":
        opens = f"its next session opens {_moment(at)}" if at is not None else "no later session is known"
        return f"{symbol} does not trade now; {opens}"
    if case == "quiet":
        return f"it is a quiet hour: nothing is entered until {_moment(at)}"
    return f"{symbol} trades now"


def _self_trade(v: Verdict) -> str:
    other, side = v.detail
    if v.passed:
        return "no order of ours is in its way"
    return (
        f"this {side} at {plain(v.measured)} would trade with {other} of our own at {plain(v.limit)}; "
        "cancel or move that one first"
    )


def _reward_to_risk(v: Verdict) -> str:
    case, symbol = v.detail
    least = plain(v.limit)
    if case != "ratio":
        field = "take_profit" if case == "target" else "stop_loss"
        return f"the entry in {symbol} has no {case}, and a reward of {least} times the risk is required; give {field}"
    if v.measured is None:
        return f"the entry in {symbol} has its stop at the price or above it"
    times = plain(round(v.measured, 2))
    return f"the target of {symbol} is {times} times as far as its stop; at least {least} is required"


def _stage(v: Verdict) -> str:
    who, said, *rest = v.detail
    if said == "full":
        return f"{who} trades in full size"
    return _share_of(f"an order of {who}, which trades {said},")(structs.replace(v, detail=tuple(rest)))


def _heat_per_strategy(v: Verdict) -> str:
    who, *rest = v.detail
    return _share_of(f"open risk of {who}")(structs.replace(v, detail=tuple(rest)))


def _correlation(v: Verdict) -> str:
    symbols, day, *rest = v.detail
    if not symbols:
        subject = "all that is held"
    elif len(symbols) == 1:
        subject = f"{symbols[0]}, which moves on its own,"
    else:
        subject = f"{', '.join(sorted(symbols))}, which move together,"
    said = _share_of(subject)(structs.replace(v, detail=tuple(rest)))
    if len(symbols) < 2:
        return said
    source = f"correlations of {day}" if day is not None else "their correlations are not known and count as 1"
    return f"{said} ({source})"


def _loss_streak(v: Verdict) -> str:
    who, until = v.detail
    said = f"{who} lost {v.measured} trades in a row"
    return said if v.passed else f"{said} and rests until {_moment(until)}; the limit is {v.limit}"


def _repeats(v: Verdict) -> str:
    case, who, symbol = v.detail
    if case == "held":
        return f"{who} entered {symbol} too often within an hour; a person must look, then: trade-mcp resume"
    return f"entries of {who} in {symbol} within an hour would be {v.measured}; the limit is {v.limit}"


def _cash(v: Verdict) -> str:
    (currency,) = v.detail
    return (
        f"the order may cost {plain(v.measured)} {currency} with fee and slippage; {plain(v.limit)} {currency} is free "
        "beside what is in flight"
    )


def _holdings(v: Verdict) -> str:
    base, held, others = v.detail
    selling = held - v.limit
    said = f"the order sells {plain(v.measured)} {base}; the desk holds {plain(held)}"
    if selling:
        said += f" and is selling {plain(selling)} of it already (exits count once; close_position replaces them)"
    if others > 0 and not v.passed:
        said += f"; {plain(others)} {base} in the account are not the desk's and are never sold"
    return said


def _stop_required(v: Verdict) -> str:
    match v.detail:
        case ("none", symbol):
            need = "none is required" if v.passed else "give stop_loss or trailing, or set a default in [exits]"
            return f"the position in {symbol} would have no stop; {need}"
        case ("target",):
            return f"the target {plain(v.measured)} is not above the price {plain(v.limit)}"
        case ("side",):
            beside = f"below the price {plain(v.limit)}" if v.limit is not None and v.measured > 0 else "above 0"
            return f"the stop {plain(v.measured)} is not {beside}"
        case _:
            return f"the stop would be at {plain(v.measured)}"


def _share_of(subject: str) -> Callable[[Verdict], str]:
    def sentence(v: Verdict) -> str:
        if v.measured is None:
            case, *rest = v.detail
            why = f"no price of {', '.join(rest)}" if case == "unpriced" else f"equity is {plain(rest[0])}"
            return f"{subject} cannot be judged: {why}"
        measured, limit = percents(v.measured, v.limit)
        return f"{subject} would be {measured} of equity; the limit is {limit}"

    return sentence


def _duplicate(v: Verdict) -> str:
    case, size, symbol = v.detail
    if case == "none":
        return f"no other entry of {plain(size)} {symbol} within {v.limit} s"
    return (
        f"another entry of {plain(size)} {symbol} was accepted {_seconds(v.measured)} s ago; "
        f"within {v.limit} s that is taken for a duplicate"
    )


def _count_of(subject: str) -> Callable[[Verdict], str]:
    return lambda v: f"{subject} would be {v.measured}; the limit is {v.limit}"


def _watcher_alive(v: Verdict) -> str:
    if v.measured is None:
        return "no watcher has been seen, and nobody else watches the exits; start 'trade-mcp watch' or 'up'"
    return f"the watcher of the exits was last seen {_seconds(v.measured)} s ago; the limit is {v.limit} s"


def _venue_break(v: Verdict) -> str:
    currency, why = v.detail
    if v.passed:
        return "book and venue agree"
    return f"book and venue disagree about {currency} ({why}): no entries there until it is settled"


def _approval(v: Verdict) -> str:
    case, *rest = v.detail
    if case == "none":
        return "a person decides no entry like this"
    if case == "always":
        return "a person decides every entry"
    if case == "waits":
        return f"another entry in {rest[0]} waits for a person already ({rest[1]})"
    measured, limit = percents(v.measured, v.limit)
    if case == "size":
        return f"the entry is {measured} of equity; above {limit} a person decides"
    price, shown = map(plain, rest)
    return f"the price {price} is {measured} from {shown}, at which a person was asked; the limit is {limit}"


SENTENCES: dict[str, Callable[[Verdict], str]] = {
    "finite": _finite,
    "trading_state": _trading_state,
    "policy_in_force": _policy_in_force,
    "symbol_lists": _symbol_lists,
    "owner": _owner,
    "venue_limits": _venue_limits,
    "fresh_quote": _fresh_quote,
    "price_band": _price_band,
    "spread": _spread,
    "session": _session,
    "cash": _cash,
    "holdings": _holdings,
    "self_trade": _self_trade,
    "stop_required": _stop_required,
    "reward_to_risk": _reward_to_risk,
    "stage": _stage,
    "order_notional": _share_of("order notional"),
    "concentration": _share_of("the symbol with all its live buys"),
    "exposure": _share_of("exposure"),
    "open_positions": _count_of("open positions, with entries in flight,"),
    "open_orders": _count_of("live orders"),
    "trade_risk": _share_of("the loss at the stop"),
    "heat": _share_of("open risk"),
    "heat_per_strategy": _heat_per_strategy,
    "correlation": _correlation,
    "loss_streak": _loss_streak,
    "duplicate": _duplicate,
    "repeats": _repeats,
    "orders_per_minute": _count_of("entries within a minute"),
    "orders_per_day": _count_of("entries within a day"),
    "watcher_alive": _watcher_alive,
    "venue_break": _venue_break,
    "approval": _approval,
}
