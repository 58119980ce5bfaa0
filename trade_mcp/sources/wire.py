"""Wire: what the desk asks of a strategy in another process, and what it is answered. Plain values, never pickles:
nothing that a person's code made is brought to life in the desk.
"""

from typing import IO, Any

import msgspec
import numpy as np
from msgspec import Struct

from trade_mcp.quant.candles import Candles, Floats

HEAD = 4  # bytes that say how long a message is
FIELDS = ("open", "high", "low", "close", "volume")


class Load(Struct, tag="load"):
    """The first question: make the strategy of ``file`` with ``parameters``."""

    file: str
    parameters: dict[str, Any]


class Ask(Struct, tag="ask"):
    """What does it say of these candles? ``why``: the sentence, else the strengths."""

    why: bool
    symbol: str
    timeframe: str
    open_ms: bytes
    columns: tuple[bytes, ...]

    @property
    def candles(self) -> Candles:
        """Read-only arrays: a strategy changes no candle."""
        columns = (np.frombuffer(column, np.float64) for column in self.columns)
        return Candles(self.symbol, self.timeframe, np.frombuffer(self.open_ms, np.int64), *columns)


class Answer(Struct):
    """``error`` says what went wrong, in one line; else the one field that was asked for is set."""

    error: str = ""
    lookback: int = 0
    strengths: bytes = b""
    why: str = ""

    @property
    def array(self) -> Floats:
        return np.frombuffer(self.strengths, np.float64).copy()


def ask(candles: Candles, *, why: bool) -> Ask:
    """The question about ``candles``."""
    columns = tuple(np.ascontiguousarray(getattr(candles, name), np.float64).tobytes() for name in FIELDS)
    open_ms = np.ascontiguousarray(candles.open_ms, np.int64).tobytes()
    return Ask(why, candles.symbol, candles.timeframe, open_ms, columns)


def write(line: IO[bytes], message: Struct) -> None:
    """Send one message. Raises OSError when nobody is there."""
    packed = msgspec.msgpack.encode(message)
    line.write(len(packed).to_bytes(HEAD, "big") + packed)
    line.flush()


def read(line: IO[bytes], kind: Any) -> Any:
    """The next message, one of ``kind``; waits for it. None at the end of the line. Raises msgspec.MsgspecError."""
    head = line.read(HEAD)
    if len(head) < HEAD:
        return None
    packed = line.read(int.from_bytes(head, "big"))
    return msgspec.msgpack.decode(packed, type=kind)
