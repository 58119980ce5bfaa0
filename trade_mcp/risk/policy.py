"""Policy: the limits in force, their canonical text and hash, and what each key means and may be."""

import hashlib
import re
from collections.abc import Collection, Mapping
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from functools import cached_property
from typing import Any

import msgspec
from msgspec import Struct, structs

from trade_mcp.domain.errors import BadConfig

EQUITY, PRICE, SECONDS, COUNT = "fraction of equity", "fraction of price", "s", "count"
SWITCH, SYMBOLS, HOLDINGS, CHOICE = "switch", "symbols", "holdings", "choice"
STAGES, HOURS = "stages", "hours"
RATIO, CORRELATION, MINUTES = "times the risk", "correlation", "min"
FRACTIONS = frozenset({EQUITY, PRICE, CORRELATION})
WHOLE = frozenset({SECONDS, MINUTES, COUNT})

SMALL = Decimal("0.25")  # of max_order_notional: what an order of a strategy without a record may be
SIZES = {"full": Decimal(1), "small": SMALL}  # stage -> share of max_order_notional
DIGITS = 28  # of a number; Python's decimal arithmetic rounds what has more
OTHERS = "*"  # the stage of every strategy that has none of its own, and of the chat
SPAN = re.compile(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d( [A-Za-z][A-Za-z0-9_+/-]{0,39})?")

NEVER, OUTSIDE, ALWAYS = "never", "outside-policy", "always"  # when an entry waits for a person
CHOICES = {"ask": (NEVER, OUTSIDE, ALWAYS)}

type Holdings = dict[str, Decimal | None]
type Stages = dict[str, str]


class Policy(Struct, frozen=True, dict=True):
    """Every limit. The defaults are sane numbers; ``allow`` is filled with the configured symbols."""

    allow: tuple[str, ...] = ()  # entries only in these; empty: in none
    deny: tuple[str, ...] = ()  # never entries in these, even if allowed
    protected: Holdings = {}  # symbol or currency -> size that must stay in the account; None: all of it
    max_quote_age_s: int = 30
    max_limit_distance: Decimal = Decimal("0.02")
    max_jump: Decimal = Decimal("0.05")
    max_spread: Decimal = Decimal("0.01")
    quiet_hours: tuple[str, ...] = ()  # "22:00-06:00", UTC or with a zone: no entries then
    require_stop: bool = True
    min_reward_to_risk: Decimal = Decimal(0)  # 0: off
    stage: Stages = {}  # strategy -> "full" or "small"; "*" is every other and the chat
    max_order_notional: Decimal = Decimal("0.15")
    max_position: Decimal = Decimal("0.25")
    max_exposure: Decimal = Decimal("0.9")
    max_open_positions: int = 8
    max_open_orders: int = 20
    max_trade_risk: Decimal = Decimal("0.01")
    max_heat: Decimal = Decimal("0.06")
    max_heat_per_strategy: Decimal = Decimal("0.03")
    max_cluster: Decimal = Decimal("0.6")
    cluster_correlation: Decimal = Decimal("0.8")
    duplicate_window_s: int = 10
    max_repeats_per_hour: int = 5
    max_orders_per_minute: int = 5
    max_orders_per_day: int = 100
    max_exit_silence_s: int = 60
    max_daily_loss: Decimal = Decimal("0.03")
    max_weekly_loss: Decimal = Decimal("0.06")
    soft_drawdown: Decimal = Decimal("0.1")
    hard_drawdown: Decimal = Decimal("0.15")
    flatten_on_hard_drawdown: bool = False
    loss_streak: int = 5
    cooldown_min: int = 60
    max_rejections: int = 5
    daily_profit_target: Decimal = Decimal(0)  # 0: off
    ask: str = OUTSIDE
    approve_above: Decimal = Decimal("0.1")
    approval_window_s: int = 900
    max_approval_drift: Decimal = Decimal("0.01")

    @cached_property
    def least_correlation(self) -> float:
        """``cluster_correlation`` in the type that correlations are kept in."""
        return float(self.cluster_correlation)


class Limit(Struct, frozen=True, gc=False):
    """What one key is: a title, its unit, the numbers it may be (0 only if ``off`` says so), its rule or brake."""

    title: str
    unit: str
    rule: str
    low: int = 0
    high: int = 1
    off: bool = False  # 0 (or "off") switches it off


LIMITS: dict[str, Limit] = {
    "allow": Limit("symbols that may be entered", SYMBOLS, "symbol_lists"),
    "deny": Limit("symbols that may not be entered", SYMBOLS, "symbol_lists"),
    "protected": Limit("holdings that are never sold", HOLDINGS, "owner"),
    "max_quote_age_s": Limit("how long a price may be overdue", SECONDS, "fresh_quote", 1, 86_400),
    "max_limit_distance": Limit("limit price from the quote", PRICE, "price_band"),
    "max_jump": Limit("quote from the last trades", PRICE, "price_band"),
    "max_spread": Limit("bid from ask", PRICE, "spread"),
    "quiet_hours": Limit("hours without entries", HOURS, "session"),
    "require_stop": Limit("every entry has a stop", SWITCH, "stop_required"),
    "min_reward_to_risk": Limit("target from the entry", RATIO, "reward_to_risk", 0, 100, off=True),
    "stage": Limit("how large a strategy may trade", STAGES, "stage"),
    "max_order_notional": Limit("one order", EQUITY, "order_notional"),
    "max_position": Limit("one symbol", EQUITY, "concentration"),
    "max_exposure": Limit("all positions and live buys", EQUITY, "exposure"),
    "max_open_positions": Limit("open positions", COUNT, "open_positions", 1, 1_000),
    "max_open_orders": Limit("live orders", COUNT, "open_orders", 1, 1_000),
    "max_trade_risk": Limit("loss of one order at its stop", EQUITY, "trade_risk"),
    "max_heat": Limit("loss if every stop is hit", EQUITY, "heat"),
    "max_heat_per_strategy": Limit("the same, of one strategy", EQUITY, "heat_per_strategy"),
    "max_cluster": Limit("all that moves together", EQUITY, "correlation"),
    "cluster_correlation": Limit("from which on two symbols move together", CORRELATION, "correlation"),
    "duplicate_window_s": Limit("time in which the same entry is a duplicate", SECONDS, "duplicate", 1, 86_400),
    "max_repeats_per_hour": Limit("entries of one strategy and symbol in an hour", COUNT, "repeats", 1, 10_000),
    "max_orders_per_minute": Limit("entries in a minute", COUNT, "orders_per_minute", 1, 10_000),
    "max_orders_per_day": Limit("entries in a day", COUNT, "orders_per_day", 1, 1_000_000),
    "max_exit_silence_s": Limit("silence of the watcher", SECONDS, "watcher_alive", 1, 3_600),
    "max_daily_loss": Limit("loss since the day began", EQUITY, "daily_loss"),
    "max_weekly_loss": Limit("loss since the week began", EQUITY, "weekly_loss"),
    "soft_drawdown": Limit("fall from the high-water mark: entries end", EQUITY, "soft_drawdown"),
    "hard_drawdown": Limit("fall from the high-water mark: trading halts", EQUITY, "hard_drawdown"),
    "flatten_on_hard_drawdown": Limit("then everything is sold, too", SWITCH, "hard_drawdown"),
    "loss_streak": Limit("losing trades in a row of one strategy", COUNT, "loss_streak", 1, 1_000),
    "cooldown_min": Limit("how long that strategy rests", MINUTES, "loss_streak", 1, 100_000),
    "max_rejections": Limit("rejections by the venue in 5 min", COUNT, "rejections", 1, 1_000),
    "daily_profit_target": Limit("profit that ends the day", EQUITY, "profit_lock", off=True),
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
    Limits that overlap (an order may be larger than a position may be) are no error here: every one of them is judged,
    so the tighter one decides. Deny outranks allow. Whoever writes both is asked by `check_written`.
    """
    return Policy(**{key: _checked(key, value) for key, value in mapping.items()})


NO_LARGER = (  # the second holds everything the first does, so a larger first means nothing
    ("max_order_notional", "max_position"),
    ("max_position", "max_exposure"),
    ("max_position", "max_cluster"),
    ("max_cluster", "max_exposure"),
    ("max_trade_risk", "max_heat_per_strategy"),
    ("max_trade_risk", "max_heat"),
    ("max_heat_per_strategy", "max_heat"),
    ("max_orders_per_minute", "max_orders_per_day"),
    ("max_repeats_per_hour", "max_orders_per_day"),
    ("max_daily_loss", "max_weekly_loss"),
    ("soft_drawdown", "hard_drawdown"),
)


def check_written(mapping: Mapping[str, Any]) -> Policy:
    """The policy of a ``[limits]`` table as a person wrote it: two keys that contradict each other are refused.

    Against a default, or one that is as wide as it may be, the tighter one decides. Raises BadConfig like
    `check_policy`.
    """
    policy = check_policy(mapping)
    for part, whole in NO_LARGER:
        less, most = getattr(policy, part), getattr(policy, whole)
        if part in mapping and whole in mapping and most < less < LIMITS[part].high:
            raise BadConfig(
                f"[limits] {part} = {_canonical(less)} and {whole} = {_canonical(most)} contradict each other: "
                "the first is a part of the second",
                hint=f"lower {part} or raise {whole}",
            )
    if both := sorted(set(policy.allow) & set(policy.deny)):
        raise BadConfig(
            f"[limits] allow and deny both name {', '.join(both)}", hint="take each symbol out of one of them"
        )
    return policy


def check_names(policy: Policy, *, symbols: Collection[str], currencies: Collection[str]) -> None:
    """Every symbol that ``policy`` names exists; a protected one may be a currency. Raises BadConfig.

    A protected coin that is misspelt would be sold.
    """
    for key, known in (("allow", symbols), ("deny", symbols), ("protected", {*symbols, *currencies})):
        for name in getattr(policy, key):
            if name not in known:
                near = get_close_matches(name, known, n=1, cutoff=0.5)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known)[:8])}"
                raise BadConfig(f"[limits] {key} names {name}, which neither the venue nor the account has", hint=hint)


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
    if limit.unit == STAGES:
        return _stages(key, value)
    if limit.unit == HOURS:
        return _hours(key, value)
    if limit.unit == CHOICE:
        return _choice(key, value)
    return _number(key, value, limit=limit)


def _number(key: str, value: Any, *, limit: Limit) -> Decimal | int:
    whole = limit.unit in WHOLE
    kind = f"a whole number ({limit.unit}) from {limit.low} to {limit.high}"
    named = f"a {limit.unit}" if limit.unit in FRACTIONS else f"a number ({limit.unit})"
    expected = kind if whole else f"{named} above 0, at most {limit.high}{', or off' if limit.off else ''}"
    number = Decimal(0) if limit.off and value == "off" else _decimal(value)
    if number is None or (whole and number != number.to_integral_value()):
        raise BadConfig(f"[limits] {key} = {value!r}: expected {expected}", hint=_example(key))
    if number > limit.high or number < limit.low or (not whole and number == 0 and not limit.off):
        hint = _example(key)
        if limit.unit in FRACTIONS and 1 < number <= 100:
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
    # Past these a number cannot be meant, and arithmetic with it could overflow or round.
    if not number.is_finite() or len(number.as_tuple().digits) > DIGITS:
        return None
    return number if -30 <= number.adjusted() <= 30 else None


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


def _stages(key: str, value: Any) -> Stages:
    """``{ema_cross = "full", "*" = "small"}``: how large each strategy may trade."""
    hint = f'{key} = {{ ema_cross = "full", "{OTHERS}" = "small" }}'
    if not isinstance(value, Mapping):
        raise BadConfig(f"[limits] {key} = {value!r}: expected a table of strategies", hint=hint)
    for name, stage in value.items():
        if stage not in SIZES:
            raise BadConfig(f"[limits] {key}.{name} = {stage!r}: expected one of {', '.join(SIZES)}", hint=hint)
    return dict(sorted(value.items()))


def _hours(key: str, value: Any) -> tuple[str, ...]:
    good = isinstance(value, list | tuple) and all(
        isinstance(span, str) and SPAN.fullmatch(span) and span[:5] != span[6:11] for span in value
    )
    if not good:
        raise BadConfig(
            f"[limits] {key} = {value!r}: expected a list of hours",
            hint=f'{key} = ["22:00-06:00"] is UTC, ["22:00-06:00 Europe/Berlin"] a zone\'s own',
        )
    return tuple(sorted(set(value)))


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
