"""Custom: a strategy from a person's file, run in a process of its own. It can be wrong, slow or broken, and costs its
own opinion only: no tick waits for it longer than its time, and nothing it prints reaches the protocol.

The file has a class ``Strategy`` that is made with the parameters of its table: ``lookback``, ``strengths(candles)``,
and (if it likes) ``explain(candles)``, as in strategies/protocol.py. ``package:Class`` is of an installed package.
"""

import os
import sys
from collections.abc import Mapping
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from threading import Lock
from typing import Any

import numpy as np

from trade_mcp.domain.errors import StrategyFailed
from trade_mcp.quant.candles import Candles, Floats
from trade_mcp.strategies.protocol import warming_up

LOAD_S = 20.0  # real seconds for a file to load
CALL_S = 2.0  # real seconds for one opinion
REST_CALLS = 30  # so many calls a strategy that hung is left alone, before its process is started again


class Custom:
    """A strategy in a child process, in the shape of the others."""

    wrong_when = "what it is wrong about is its author's to say"

    def __init__(self, name: str, file: str, parameters: Mapping[str, Any]):
        self.name, self._file, self._parameters = name, file, dict(parameters)
        self._lock = Lock()
        self._process: BaseProcess | None = None
        self._line: Connection | None = None
        self._resting = 0
        self._lookback = int(self._ask("lookback", None, within_s=LOAD_S))
        if not 1 <= self._lookback <= 100_000:
            raise StrategyFailed(name, f"its lookback is {self._lookback}; 1 to 100,000 bars make sense")

    @property
    def lookback(self) -> int:
        return self._lookback

    def strengths(self, candles: Candles) -> Floats:
        """One value per candle. Raises StrategyFailed for an error, a wrong shape, or no answer in time."""
        found = self._ask("strengths", candles, within_s=CALL_S)
        if not isinstance(found, np.ndarray) or found.shape != (len(candles),) or found.dtype != np.float64:
            shape = f"{found.dtype} {found.shape}" if isinstance(found, np.ndarray) else type(found).__name__
            raise StrategyFailed(
                self.name, f"it answered {shape} for {len(candles)} candles; float64 of one value each"
            )
        if np.any(np.abs(found[~np.isnan(found)]) > 1):
            raise StrategyFailed(self.name, "it answered a strength outside -1..1")
        return found

    def explain(self, candles: Candles) -> str:
        """Its own sentence, cut to a line."""
        if len(candles) < self._lookback:
            return warming_up(candles, self._lookback)
        return " ".join(str(self._ask("explain", candles, within_s=CALL_S)).split())[:200]

    def close(self) -> None:
        """End its process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = self._line = None

    def _ask(self, what: str, candles: Candles | None, *, within_s: float) -> Any:
        with self._lock:
            if self._resting:
                self._resting -= 1
                raise StrategyFailed(self.name, f"muted after it did not answer; tried again in {self._resting} calls")
            if self._line is None:
                self._start()
            assert self._line is not None
            try:
                self._line.send((what, candles))
                if not self._line.poll(within_s):
                    self.close()
                    self._resting = REST_CALLS
                    raise StrategyFailed(self.name, f"no answer within {within_s:g} s: its process was ended")
                good, answer = self._line.recv()
            except (EOFError, OSError):
                self.close()
                raise StrategyFailed(self.name, "its process died") from None
        if not good:
            raise StrategyFailed(self.name, str(answer))
        return answer

    def _start(self) -> None:
        context = get_context("spawn")
        self._line, theirs = context.Pipe()
        self._process = context.Process(
            target=serve, args=(theirs, self._file, self._parameters), name=f"strategy {self.name}", daemon=True
        )
        self._process.start()
        theirs.close()


def serve(line: Connection, file: str, parameters: dict[str, Any]) -> None:
    """The child: load the strategy, answer until the line closes. What it prints goes to stderr."""
    os.dup2(2, 1)
    made: Any = None
    while True:
        try:
            what, candles = line.recv()
        except (EOFError, OSError):
            return
        try:
            made = made or _class_of(file)(**parameters)
            line.send((True, _answer(made, what, candles)))
        except BaseException as error:  # whatever a person's code raises is told to the desk, sys.exit too
            line.send((False, f"{type(error).__name__}: {error}"))


def _answer(made: Any, what: str, candles: Candles | None) -> Any:
    if what == "lookback":
        return int(made.lookback)
    if what == "explain":
        return made.explain(candles) if hasattr(made, "explain") else "it gives no reason"
    return made.strengths(candles)


def _class_of(file: str) -> Any:
    import importlib
    import importlib.util

    if file.endswith(".py"):
        spec = importlib.util.spec_from_file_location("custom_strategy", file)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["custom_strategy"] = module
        spec.loader.exec_module(module)
        return module.Strategy
    package, _, name = file.partition(":")
    return getattr(importlib.import_module(package), name or "Strategy")
