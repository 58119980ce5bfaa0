"""Limits: checked with the nearest name and what was probably meant, canonical as text, compared by key."""

from decimal import Decimal as D
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from trade_mcp.domain.errors import BadConfig
from trade_mcp.risk.policy import (
    COUNT,
    EQUITY,
    LIMITS,
    PRICE,
    SECONDS,
    Policy,
    check_names,
    check_policy,
    check_written,
    differences,
    parse_policy,
    policy_hash,
    policy_text,
)


def test_the_defaults_are_the_documented_ones() -> None:
    assert structs.asdict(check_policy({})) == {
        "allow": (),
        "deny": (),
        "protected": {},
        "max_quote_age_s": 30,
        "max_limit_distance": D("0.02"),
        "max_jump": D("0.05"),
        "max_spread": D("0.01"),
        "quiet_hours": (),
        "require_stop": True,
        "min_reward_to_risk": 0,
        "stage": {},
        "max_order_notional": D("0.15"),
        "max_position": D("0.25"),
        "max_exposure": D("0.90"),
        "max_open_positions": 8,
        "max_open_orders": 20,
        "max_trade_risk": D("0.01"),
        "max_heat": D("0.06"),
        "max_heat_per_strategy": D("0.03"),
        "max_cluster": D("0.6"),
        "cluster_correlation": D("0.8"),
        "duplicate_window_s": 10,
        "max_repeats_per_hour": 5,
        "max_orders_per_minute": 5,
        "max_orders_per_day": 100,
        "max_exit_silence_s": 60,
        "max_daily_loss": D("0.03"),
        "max_weekly_loss": D("0.06"),
        "soft_drawdown": D("0.1"),
        "hard_drawdown": D("0.15"),
        "flatten_on_hard_drawdown": False,
        "loss_streak": 5,
        "cooldown_min": 60,
        "max_rejections": 5,
        "daily_profit_target": 0,
        "ask": "outside-policy",
        "approve_above": D("0.1"),
        "approval_window_s": 900,
        "max_approval_drift": D("0.01"),
    }
    assert list(LIMITS) == list(structs.asdict(Policy()))


@pytest.mark.parametrize(
    ("mapping", "message", "hint"),
    [
        ({"max_ordr_notional": 0.1}, "[limits] has no key 'max_ordr_notional'", "did you mean max_order_notional?"),
        (
            {"max_order_notional": 15},
            "[limits] max_order_notional = 15: expected a fraction of equity above 0, at most 1",
            "did you mean 0.15?",
        ),
        (
            {"max_heat": "6"},
            "[limits] max_heat = 6: expected a fraction of equity above 0, at most 1",
            "did you mean 0.06?",
        ),
        (
            {"max_jump": 0},
            "[limits] max_jump = 0: expected a fraction of price above 0, at most 1",
            "no limit can be switched off; 'trade-mcp halt' stops all entries",
        ),
        (
            {"max_open_orders": 2.5},
            "[limits] max_open_orders = 2.5: expected a whole number (count) from 1 to 1000",
            "the default is 20",
        ),
        (
            {"max_quote_age_s": True},
            "[limits] max_quote_age_s = True: expected a whole number (s) from 1 to 86400",
            "the default is 30",
        ),
        ({"require_stop": "yes"}, "[limits] require_stop = 'yes': expected true or false", "the default is true"),
        ({"allow": "BTC/USDT"}, "[limits] allow = 'BTC/USDT': expected a list of symbols", 'allow = ["BTC/USDT"]'),
        (
            {"protected": {"BTC": "some"}},
            "[limits] protected.BTC = 'some': expected a size above 0, or \"all\"",
            'protected = ["BTC"], or protected = { BTC = "0.5", "ETH/USDT" = "all" }',
        ),
        (
            {"max_exposure": "nan"},
            "[limits] max_exposure = 'nan': expected a fraction of equity above 0, at most 1",
            "the default is 0.9",
        ),
    ],
)
def test_a_wrong_limit_is_refused_with_what_was_probably_meant(
    mapping: dict[str, Any], message: str, hint: str
) -> None:
    with pytest.raises(BadConfig) as error:
        check_policy(mapping)
    assert (error.value.message, error.value.hint) == (message, hint)


def test_protected_is_a_list_or_a_table_of_sizes() -> None:
    assert check_policy({"protected": ["BTC"]}).protected == {"BTC": None}
    table = {"BTC": 0.5, "ETH/USDT": "all"}
    assert check_policy({"protected": table}).protected == {"BTC": D("0.5"), "ETH/USDT": None}


def test_limits_that_overlap_are_no_error_because_the_tighter_one_decides() -> None:
    assert check_policy({"max_order_notional": 0.5, "max_position": 0.1}).max_position == D("0.1")


@pytest.mark.parametrize(
    "mapping",
    [
        {"max_order_notional": 0.3, "max_position": 0.2},
        {"max_position": "0.7", "max_cluster": "0.6"},
        {"max_trade_risk": 0.02, "max_heat_per_strategy": 0.01},
        {"max_heat_per_strategy": 0.05, "max_heat": 0.04},
        {"max_daily_loss": 0.07, "max_weekly_loss": 0.06},
        {"soft_drawdown": 0.2, "hard_drawdown": 0.15},
        {"max_orders_per_minute": 10, "max_orders_per_day": 5},
    ],
)
def test_limits_that_contradict_each_other_are_refused_where_somebody_wrote_both(mapping: dict[str, Any]) -> None:
    part, whole = mapping
    with pytest.raises(BadConfig) as error:
        check_written(mapping)
    assert part in error.value.message and whole in error.value.message and "contradict" in error.value.message
    assert error.value.hint == f"lower {part} or raise {whole}"
    check_written({part: mapping[part]})  # against a default the tighter one decides
    check_policy(mapping)  # which one is in force already is read as it is


def test_a_symbol_is_not_allowed_and_denied_at_once() -> None:
    with pytest.raises(BadConfig, match="allow and deny both name BTC/USDT"):
        check_written({"allow": ["BTC/USDT", "ETH/USDT"], "deny": ["BTC/USDT"]})


@pytest.mark.parametrize(
    ("limits", "message", "hint"),
    [
        ({"protected": ["BTX"]}, "protected names BTX", "did you mean BTC?"),
        ({"protected": {"BTC/USTD": 1}}, "protected names BTC/USTD", "did you mean BTC/USDT?"),
        ({"deny": ["DOGE/USDT"]}, "deny names DOGE/USDT", "did you mean BTC/USDT?"),
        ({"allow": ["Q"]}, "allow names Q", "known are BTC/USDT"),
    ],
)
def test_a_symbol_that_does_not_exist_is_refused(limits: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(BadConfig) as error:
        check_names(check_policy(limits), symbols=["BTC/USDT"], currencies=["BTC", "USDT", "KCS"])
    assert message in error.value.message and error.value.hint == hint


def test_what_the_account_holds_may_be_protected_even_if_it_does_not_trade_here() -> None:
    check_names(check_policy({"protected": ["KCS"]}), symbols=["BTC/USDT"], currencies=["BTC", "USDT", "KCS"])


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"quiet_hours": ["22:00"]}, "quiet_hours = ['22:00']: expected a list of hours"),
        ({"quiet_hours": ["22:00-22:00"]}, "expected a list of hours"),
        ({"quiet_hours": "22:00-06:00"}, "expected a list of hours"),
        ({"quiet_hours": ["25:00-06:00"]}, "expected a list of hours"),
        ({"stage": {"ema_cross": "huge"}}, "stage.ema_cross = 'huge': expected one of full, small"),
        ({"stage": "small"}, "expected a table of strategies"),
        ({"max_daily_loss": 3}, "did you mean 0.03?"),
        ({"cluster_correlation": 80}, "did you mean 0.8?"),
        ({"daily_profit_target": -1}, "above 0, at most 1, or off"),
        ({"min_reward_to_risk": 101}, "expected a number (times the risk) above 0, at most 100, or off"),
        ({"cooldown_min": 0}, "expected a whole number (min) from 1 to 100000"),
    ],
)
def test_a_wrong_word_among_the_limits_is_refused(mapping: dict[str, Any], message: str) -> None:
    with pytest.raises(BadConfig) as error:
        check_written(mapping)
    assert message in f"{error.value.message} {error.value.hint}"


def test_a_limit_that_may_be_off_is_off() -> None:
    assert check_policy({"daily_profit_target": "off", "min_reward_to_risk": 0}) == Policy()


def test_a_policy_from_before_a_key_has_its_default() -> None:
    old = {"allow": ["BTC/USDT"], "max_heat": "0.05", "max_order_notional": "0.1"}
    found = parse_policy(msgspec.json.encode(old).decode())
    assert found == check_policy(old)
    assert (found.max_daily_loss, found.max_cluster) == (D("0.03"), D("0.6"))


def test_a_policy_comes_back_from_its_text_and_equal_limits_have_one_hash() -> None:
    policy = check_policy({"allow": ["ETH/USDT", "BTC/USDT"], "max_heat": "0.050", "protected": {"BTC": "0.50"}})
    same = check_policy({"allow": ["BTC/USDT", "ETH/USDT"], "max_heat": 0.05, "protected": {"BTC": 0.5}})
    assert policy_text(policy) == policy_text(same)
    assert parse_policy(policy_text(policy)) == same
    assert policy_hash(policy_text(policy)) == policy_hash(policy_text(same)) != policy_hash(policy_text(Policy()))


def test_differences_name_the_key_and_both_values() -> None:
    other = check_policy({"max_heat": 0.05, "allow": ["BTC/USDT"], "max_exposure": "0.900"})
    assert differences(Policy(), other) == [("allow", (), ("BTC/USDT",)), ("max_heat", D("0.06"), D("0.05"))]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"max_heat":"6"}', '{"unknown":1}'])
def test_a_text_that_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(BadConfig):
        parse_policy(text)


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.text(max_size=8),
    st.lists(st.text(max_size=4), max_size=3),
    st.dictionaries(st.text(max_size=4), st.floats() | st.text(max_size=4), max_size=2),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(list(LIMITS)), anything, max_size=4))
def test_any_table_is_a_policy_within_bounds_or_a_bad_config(mapping: dict[str, Any]) -> None:
    try:
        policy = check_policy(mapping)
    except BadConfig as error:
        assert error.message.startswith("[limits]") and error.hint
        return
    for key, limit in LIMITS.items():
        if limit.unit in (EQUITY, PRICE, SECONDS, COUNT):
            assert limit.low <= getattr(policy, key) <= limit.high
    assert parse_policy(policy_text(policy)) == policy
