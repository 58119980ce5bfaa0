"""Policy: the limits in force, their canonical text and hash, and what each key means and may be."""

import hashlib
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Any

import msgspec
from msgspec import Struct, structs

from trade_mcp.domain.errors import BadConfig

EQUITY, PRICE, SECONDS, COUNT = "fraction of equity", "fraction of price", "s", "count"
SWITCH, SYMBOLS, HOLDINGS, CHOICE = "switch", "symbols", "holdings", "choice"

NEVER, OUTSIDE, ALWAYS = "never", "outside-policy", "always"  # when an entry waits for a person
CHOICES = {"ask": (NEVER, OUTSIDE, ALWAYS)}

type Holdings = dict[str, Decimal | None]


class Policy(Struct, frozen=True):
    """Every limit. The defaults are sane numbers; ``allow`` is filled with the configured symbols."""

    allow: tuple[str, ...] = ()  # entries only in these; empty: in none
    deny: tuple[str, ...] = ()  # never entries in these, even if allowed
    protected: Holdings = {}  # symbol or currency -> size that must stay in the account; None: all of it
    max_quote_age_s: int = 30
    max_limit_distance: Decimal = Decimal("0.02")
    max_jump: Decimal = Decimal("0.05")
    require_stop: bool = True
    max_order_notional: Decimal = Decimal("0.15")
    max_position: Decimal = Decimal("0.25")
    max_exposure: Decimal = Decimal("0.9")
    max_open_positions: int = 8
    max_open_orders: int = 20
    max_trade_risk: Decimal = Decimal("0.01")
    max_heat: Decimal = Decimal("0.06")
    duplicate_window_s: int = 10
    max_orders_per_minute: int = 5
    max_orders_per_day: int = 100
    max_exit_silence_s: int = 60
    ask: str = OUTSIDE
    approve_above: Decimal = Decimal("0.1")
    approval_window_s: int = 900
    max_approval_drift: Decimal = Decimal("0.01")


class Limit(Struct, frozen=True, gc=False):
    """What one key is: a title, its unit, the numbers it may be (``low`` itself excluded for fractions), its rule."""

    title: str
    unit: str
    rule: str
    low: int = 0
    high: int = 1


LIMITS: dict[str, Limit] = {
    "allow": Limit("symbols that may be entered", SYMBOLS, "symbol_lists"),
    "deny": Limit("symbols that may not be entered", SYMBOLS, "symbol_lists"),
    "protected": Limit("holdings that are never sold", HOLDINGS, "owner"),
    "max_quote_age_s": Limit("how long a price may be overdue", SECONDS, "fresh_quote", 1, 86_400),
    "max_limit_distance": Limit("limit price from the quote", PRICE, "price_band"),
    "max_jump": Limit("quote from the last trades", PRICE, "price_band"),
    "require_stop": Limit("every entry has a stop", SWITCH, "stop_required"),
    "max_order_notional": Limit("one order", EQUITY, "order_notional"),
    "max_position": Limit("one symbol", EQUITY, "concentration"),
    "max_exposure": Limit("all positions and live buys", EQUITY, "exposure"),
    "max_open_positions": Limit("open positions", COUNT, "open_positions", 1, 1_000),
    "max_open_orders": Limit("live orders", COUNT, "open_orders", 1, 1_000),
    "max_trade_risk": Limit("loss of one order at its stop", EQUITY, "trade_risk"),
    "max_heat": Limit("loss if every stop is hit", EQUITY, "heat"),
    "duplicate_window_s": Limit("time in which the same entry is a duplicate", SECONDS, "duplicate", 1, 86_400),
    "max_orders_per_minute": Limit("entries in a minute", COUNT, "orders_per_minute", 1, 10_000),
    "max_orders_per_day": Limit("entries in a day", COUNT, "orders_per_day", 1, 1_000_000),
    "max_exit_silence_s": Limit("silence of the watcher", SECONDS, "watcher_alive", 1, 3_600),
    "ask": Limit("which entries wait for a person", CHOICE, "approval"),
    "approve_above": Limit("one entry without asking a person", EQUITY, "approval"),
    "approval_window_s": Limit("how long an entry waits for a person", SECONDS, "approval", 10, 86_400),
    "max_approval_drift": Limit("price since the person was asked", PRICE, "approval"),
}


def policy_text(policy: Policy) -> str:
    """Canonical JSON: every key, sorted, numbers without padding. Equal limits have equal text.

    >>> '"max_exposure":"0.9"' in policy_text(Policy(max_exposure=Decimal("0.900")))
    True
    """
    plain = {key: _canonical(value) for key, value in structs.asdict(policy).items()}
    return msgspec.json.encode(plain, order="sorted").decode()


def policy_hash(text: str) -> str:
    """Short name of a policy text: the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def parse_policy(text: str) -> Policy:
    """The policy of a canonical text. Raises BadConfig for what is not one."""
    try:
        mapping = msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise BadConfig(f"the policy text is not a JSON object: {error}") from error
    return check_policy(mapping)


def differences(a: Policy, b: Policy) -> list[tuple[str, Any, Any]]:
    """The keys in which two policies differ, with both values."""
    before, after = structs.asdict(a), structs.asdict(b)
    return [(key, before[key], after[key]) for key in before if _canonical(before[key]) != _canonical(after[key])]


def check_policy(mapping: Mapping[str, Any]) -> Policy:
    """The policy of a ``[limits]`` table; keys that are not given keep their defaults.

    Raises BadConfig for an unknown key (with the nearest one) and for a value of the wrong kind or out of its bounds.
    Limits that overlap (an order may be larger than a position may be) are no error: every one of them is judged, so
    the tighter one decides. Deny outranks allow.
    """
    return Policy(**{key: _checked(key, value) for key, value in mapping.items()})


def _checked(key: str, value: Any) -> Any:
    if key not in LIMITS:
        near = get_close_matches(key, LIMITS, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(LIMITS)}"
        raise BadConfig(f"[limits] has no key {key!r}", hint=hint)
    limit = LIMITS[key]
    if limit.unit == SWITCH:
        return _switch(key, value)
    if limit.unit == SYMBOLS:
        return _symbols(key, value)
    if limit.unit == HOLDINGS:
        return _holdings(key, value)
    if limit.unit == CHOICE:
        return _choice(key, value)
    return _number(key, value, limit=limit)


def _number(key: str, value: Any, *, limit: Limit) -> Decimal | int:
    whole = limit.unit in (SECONDS, COUNT)
    kind = f"a whole number ({limit.unit}) from {limit.low} to {limit.high}"
    expected = kind if whole else f"a {limit.unit} above 0, at most {limit.high}"
    number = _decimal(value)
    if number is None or (whole and number != number.to_integral_value()):
        raise BadConfig(f"[limits] {key} = {value!r}: expected {expected}", hint=_example(key))
    if number > limit.high or number < limit.low or (not whole and number == 0):
        hint = _example(key)
        if not whole and 1 < number <= 100:
            hint = f"did you mean {_canonical(number / 100)}?"
        elif number <= 0:
            hint = "no limit can be switched off; 'trade-mcp halt' stops all entries"
        raise BadConfig(f"[limits] {key} = {value}: expected {expected}", hint=hint)
    return int(number) if whole else number


def _decimal(value: Any) -> Decimal | None:
    """An exact finite number, or None. A float means the digits it is written with."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        number = value if isinstance(value, Decimal) else Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation:
        return None
    # Past these a number cannot be meant, and arithmetic with it could overflow.
    return number if number.is_finite() and -30 <= number.adjusted() <= 30 else None


def _switch(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise BadConfig(f"[limits] {key} = {value!r}: expected true or false", hint=_example(key))
    return value


def _choice(key: str, value: Any) -> str:
    if value not in CHOICES[key]:
        said = " or ".join(f'"{choice}"' for choice in CHOICES[key])
        raise BadConfig(f"[limits] {key} = {value!r}: expected {said}", hint=_example(key))
    return str(value)


def _symbols(key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(symbol, str) and symbol for symbol in value):
        raise BadConfig(f"[limits] {key} = {value!r}: expected a list of symbols", hint=f'{key} = ["BTC/USDT"]')
    return tuple(sorted(set(value)))


def _holdings(key: str, value: Any) -> Holdings:
    """``["BTC", "ETH/USDT"]`` protects all of them; ``{BTC = 0.5, ETH = "all"}`` a size that must stay."""
    if isinstance(value, list | tuple):
        return dict.fromkeys(_symbols(key, value))
    hint = f'{key} = ["BTC"], or {key} = {{ BTC = "0.5", "ETH/USDT" = "all" }}'
    if not isinstance(value, Mapping):
        raise BadConfig(f"[limits] {key} = {value!r}: expected a list or a table of sizes", hint=hint)
    sizes: Holdings = {}
    for name, size in sorted(value.items()):
        least = None if size is None or size == "all" else _decimal(size)
        if (least is None and size is not None and size != "all") or (least is not None and least <= 0):
            raise BadConfig(f'[limits] {key}.{name} = {size!r}: expected a size above 0, or "all"', hint=hint)
        sizes[name] = least
    return sizes


def _example(key: str) -> str:
    default = _canonical(getattr(Policy(), key))
    return f"the default is {str(default).lower()}"


def _canonical(value: Any) -> Any:
    """Plain JSON values; decimals as strings without trailing zeros or exponents."""
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in sorted(value.items())}
    return list(value) if isinstance(value, tuple) else value
