"""The real market for the laws of the strategies, and stages of the desk for what the loop makes of them."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest

from desk.conftest import ledger_at_head, stage
from trade_mcp.quant.candles import Candles

__all__ = ["ledger_at_head", "stage"]


@pytest.fixture(scope="session")
def real(shared_data: Path) -> Candles:
    """Real BTC/USDT hours, with five holes."""
    table = parquet.read_table(shared_data / "data" / "binance_BTCUSDT_1h.parquet")
    open_ms, *rest = (table[name].to_numpy() for name in ("timestamp", "open", "high", "low", "close", "volume"))
    return Candles("BTC/USDT", "1h", open_ms.astype(np.int64), *rest)
