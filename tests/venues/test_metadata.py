"""Instruments: what an exchange's file says, and sane steps without one."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from trade_mcp.domain.errors import BadConfig
from trade_mcp.venues.metadata import default_instrument, load_instruments

FILTERS: list[dict[str, Any]] = [
    {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.00", "tickSize": "0.01000000"},
    {"filterType": "LOT_SIZE", "minQty": "0.00100000", "maxQty": "9000.00000000", "stepSize": "0.00010000"},
    {"filterType": "MARKET_LOT_SIZE", "minQty": "0.00000000", "maxQty": "97.5", "stepSize": "0.00000000"},
    {"filterType": "NOTIONAL", "minNotional": "10.00000000", "maxNotional": "9000000.00000000"},
]


def file_of(folder: Path, *filters: dict[str, Any]) -> Path:
    pair = {"symbol": "XYZUSDT", "baseAsset": "XYZ", "quoteAsset": "USDT", "filters": filters}
    path = folder / "exchangeInfo.json"
    path.write_text(json.dumps({"symbols": [pair]}))
    return path


def test_a_file_says_steps_and_limits(tmp_path: Path) -> None:
    xyz = load_instruments(["XYZ/USDT"], path=file_of(tmp_path, *FILTERS))["XYZ/USDT"]
    assert (str(xyz.tick), str(xyz.lot), str(xyz.min_size)) == ("0.01", "0.0001", "0.001")
    assert (str(xyz.max_size), str(xyz.min_notional), str(xyz.max_notional)) == ("97.5", "10", "9000000")


def test_a_symbol_the_file_does_not_have_gets_defaults(tmp_path: Path) -> None:
    known = load_instruments(["XYZ/USDT", "BTC/USDT"], path=file_of(tmp_path, *FILTERS))
    assert known["BTC/USDT"] == default_instrument("BTC/USDT")


def test_steps_of_zero_mean_not_limited(tmp_path: Path) -> None:
    price, lot, _, _ = FILTERS
    path = file_of(tmp_path, price | {"tickSize": "0.00"}, lot | {"stepSize": "0", "maxQty": "0"})
    xyz = load_instruments(["XYZ/USDT"], path=path)["XYZ/USDT"]
    assert xyz.tick > 0 and xyz.lot > 0 and xyz.max_size > 0 and xyz.min_notional == 5


def test_real_metadata_of_binance(shared_data: Path) -> None:
    path = next((shared_data / "fixtures").glob("*exchangeInfo*.json"))
    btc = load_instruments(["BTC/USDT"], path=path)["BTC/USDT"]
    assert (str(btc.tick), str(btc.lot), str(btc.min_notional)) == ("0.01", "0.00001", "5")
    assert (btc.base, btc.quote) == ("BTC", "USDT")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"symbols": 3}',
        '{"symbols": [3]}',
        '{"symbols": [{"baseAsset": "XYZ"}]}',
        '{"symbols": [{"baseAsset": "XYZ", "quoteAsset": "USDT", "filters": []}]}',
        '{"symbols": [{"baseAsset": "XYZ", "quoteAsset": "USDT", "filters": [3]}]}',
        json.dumps({"symbols": [{"baseAsset": "XYZ", "quoteAsset": "USDT", "filters": [{"filterType": "LOT_SIZE"}]}]}),
    ],
)
def test_a_file_that_is_no_metadata_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(text)
    with pytest.raises(BadConfig, match=r"broken\.json") as error:
        load_instruments(["XYZ/USDT"], path=path)
    assert "exchangeInfo" in error.value.hint


@pytest.mark.parametrize("tick", ["NaN", "-0.01", "abc", "Infinity", None, 0.01])
def test_a_step_that_is_no_number_is_refused(tmp_path: Path, tick: object) -> None:
    with pytest.raises(BadConfig):
        load_instruments(["XYZ/USDT"], path=file_of(tmp_path, FILTERS[0] | {"tickSize": tick}, *FILTERS[1:]))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="cannot be read"):
        load_instruments(["XYZ/USDT"], path=tmp_path / "none.json")


@pytest.mark.parametrize("price", ["0.00001234", "0.08", "0.6", "2.5", "38", "155", "3200", "104000"])
def test_default_steps_suit_any_price(price: str) -> None:
    typical = Decimal(price)
    made = default_instrument("ANY/USDT", price=typical)
    assert made.tick <= typical * Decimal("0.001")
    assert made.lot * typical <= 2  # a desk of 100 USDT can still size an order
    assert made.tick >= Decimal("1e-8")


def test_the_usual_coins_have_their_usual_steps() -> None:
    steps = {symbol: (str(i.tick), str(i.lot)) for symbol, i in load_instruments(["BTC/USDT", "SOL/USDT"]).items()}
    assert steps == {"BTC/USDT": ("0.01", "0.00001"), "SOL/USDT": ("0.01", "0.001")}
