"""Arguments are read exactly: nothing is dropped, guessed, or turned into another type."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trade_mcp.domain.distances import Distance
from trade_mcp.domain.errors import BadInput
from trade_mcp.domain.order import OrderRequest, OrderType, Side
from trade_mcp.server import strict
from trade_mcp.server.tools.arguments import order_request
from trade_mcp.server.tools.market import get_candles, get_quotes

ORDER = strict.arguments_of(order_request)
BUY = {"symbol": "BTC/USDT", "side": "buy", "size": "0.01"}


def asked(**sent: object) -> OrderRequest:
    return order_request(**strict.read(ORDER, BUY | sent)).request


def refusal(**sent: object) -> BadInput:
    with pytest.raises(BadInput) as caught:
        strict.read(ORDER, BUY | sent)
    return caught.value


def test_an_order_is_read_into_domain_values() -> None:
    request = asked(
        type="limit", limit_price="58000.50", stop_loss="2%", take_profit="61000", trailing="150", order_id="mine-1"
    )
    assert request.side is Side.BUY
    assert request.type is OrderType.LIMIT
    assert request.limit_price == Decimal("58000.50")
    assert request.exits is not None
    assert request.exits.stop == Distance(fraction=Decimal("0.02"))
    assert request.exits.target == Decimal(61000)
    assert request.exits.trail == Distance(amount=Decimal(150))
    assert request.order_id == "mine-1"


def test_every_order_without_an_id_gets_one_of_its_own() -> None:
    first, second = asked().order_id, asked().order_id
    assert first != second
    assert len(first) == len(second) == 32


def test_an_unknown_argument_is_refused_with_the_nearest_name() -> None:
    fault = refusal(stoploss="2%")
    assert "unknown argument 'stoploss'" in fault.message
    assert "did you mean stop_loss?" in fault.hint


@pytest.mark.parametrize(("sent", "meant"), [("quantity", "size"), ("price", "limit_price"), ("sl", "")])
def test_names_other_desks_use_are_understood_as_a_hint(sent: str, meant: str) -> None:
    assert (f"did you mean {meant}?" in refusal(**{sent: "1"}).hint) is bool(meant)


def test_everything_wrong_is_said_at_once() -> None:
    with pytest.raises(BadInput) as caught:
        strict.read(ORDER, {"side": "bye", "size": 1, "colour": "red"})
    for part in ("unknown argument 'colour'", "symbol is missing", "side 'bye' is not known", "size must be a string"):
        assert part in caught.value.message
    assert "did you mean buy?" in caught.value.hint


def test_a_number_where_text_is_wanted_is_refused_with_the_text_to_send() -> None:
    fault = refusal(size=0.1)
    assert fault.message == "size must be a string, not a number (0.1)"
    assert fault.hint == 'send size as digits in quotes: "0.1"'


NO_NUMBERS = "NaN inf -1 +1 1e30 1E5 0x10 1_000 1,000 \u0661 0.0000000000001 1234567890123456 0 0.000 .5 1. 1%"


@pytest.mark.parametrize("text", [*NO_NUMBERS.split(), " 1", "1\n", "1 000"])
def test_a_size_that_is_no_plain_number_above_zero_is_refused(text: str) -> None:
    assert refusal(size=text).hint


@pytest.mark.parametrize("text", ["0%", "-2%", "2 %%", "NaN%", "%", "1e2%"])
def test_a_distance_that_is_none_is_refused(text: str) -> None:
    assert refusal(stop_loss=text).hint
    assert refusal(trailing=text).hint


@pytest.mark.parametrize("value", ["true", 1, "yes"])
def test_a_flag_is_true_or_false(value: object) -> None:
    assert "true or false" in refusal(post_only=value).message


def test_null_and_empty_mean_not_given_because_strict_clients_send_every_name() -> None:
    request = asked(limit_price=None, stop_loss="", order_id="", post_only=None, notional="")
    assert request.exits is None
    assert request.limit_price is None
    assert not request.post_only


def test_a_required_argument_cannot_be_empty() -> None:
    assert refusal(symbol=None).message == "symbol is missing"


@pytest.mark.parametrize("value", ["5", 5.5, True, 0, 10_000])
def test_a_whole_number_is_one_and_within_its_bounds(value: object) -> None:
    with pytest.raises(BadInput):
        strict.read(strict.arguments_of(get_candles), {"symbol": "BTC/USDT", "limit": value})


def test_clients_that_know_only_doubles_may_send_a_whole_one() -> None:
    assert strict.read(strict.arguments_of(get_candles), {"symbol": "BTC/USDT", "limit": 5.0})["limit"] == 5


@pytest.mark.parametrize("value", ['["BTC/USDT"]', [1], [], ["A"] * 21])
def test_a_list_of_symbols_is_a_list_of_strings(value: object) -> None:
    with pytest.raises(BadInput):
        strict.read(strict.arguments_of(get_quotes), {"symbols": value})


@pytest.mark.parametrize("own", ["a-stop-1", "loop-in-BTCUSDT-1", "x-exit-12", "a b", "x" * 37, "../x"])
def test_an_order_cannot_take_an_id_that_the_desk_gives_itself(own: str) -> None:
    assert "cannot be the id of a new order" in refusal(order_id=own).message


def test_what_was_sent_is_shown_short_and_harmless() -> None:
    fault = refusal(**{"a\u202e\x1b[31m" + "b" * 500: 1})
    assert "\x1b" not in fault.message
    assert "\u202e" not in fault.message
    assert len(fault.message) < 120


@given(st.decimals(min_value="1e-12", max_value="999999999999999", places=12, allow_nan=False))
def test_every_number_of_the_desk_is_read_to_the_last_digit(value: Decimal) -> None:
    assert strict.number("size", format(value, "f")) == value


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.floats() | st.text() | st.lists(st.integers())))
def test_whatever_is_sent_is_read_or_refused_with_a_reason(sent: dict[str, object]) -> None:
    try:
        strict.read(ORDER, sent)
    except BadInput as fault:
        assert fault.message


def test_schemas_are_flat_so_that_every_model_accepts_them() -> None:
    schema = strict.schema_of(ORDER)
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["symbol", "side"]
    for name, argument in schema["properties"].items():
        assert argument["type"] in ("string", "boolean", "integer", "array"), name
        assert set(argument) <= {"type", "description", "enum", "items"}, name
