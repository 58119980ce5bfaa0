"""Worker: the process a person's strategy runs in. ``python -m trade_mcp.sources.worker`` answers on its first stdout.

It ends when the desk goes away, and a question that takes far too long ends it, even if nobody is left to end it.
"""

import importlib
import importlib.util
import os
import signal
import sys
from collections.abc import Mapping
from inspect import isclass
from pathlib import Path
from types import ModuleType
from typing import IO, Any

import msgspec
import numpy as np

from trade_mcp.sources.wire import Answer, Ask, Load, read, write

LIMIT_S = 60.0  # real seconds for one question; the desk itself ends it long before


def main() -> None:
    """Answer questions until the line closes. What the strategy prints goes to stderr, what it reads is empty."""
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    serve(questions, answers)
    os._exit(0)  # threads that a strategy left behind hold nothing up


def serve(questions: IO[bytes], answers: IO[bytes]) -> None:
    """One answer to each question; whatever the strategy raises is an answer too."""
    made: Any = None
    while (question := read(questions, Load | Ask)) is not None:
        _alarm(LIMIT_S)
        try:
            if isinstance(question, Load):
                made = strategy_of(question.file, question.parameters)
                answer = Answer(lookback=_lookback(made))
            else:
                answer = _answer(made, question)
        except BaseException as error:  # SystemExit too
            answer = Answer(error=_line(error))
        _alarm(0.0)
        write(answers, answer)


def strategy_of(file: str, parameters: Mapping[str, Any]) -> Any:
    """The strategy of FILE.py or ``package.module:Class``, made with ``parameters``."""
    if file.endswith(".py"):
        module, name = _from_file(Path(file)), ""
    else:
        package, _, name = file.partition(":")
        module = importlib.import_module(package)
    kind = getattr(module, name or "Strategy", None)
    if not isclass(kind):
        raise TypeError(f"there is no class {name or 'Strategy'} in {Path(file).name}")
    if hasattr(kind, "__struct_fields__") or hasattr(kind, "__dataclass_fields__"):
        return msgspec.convert(dict(parameters), kind)  # bounds of its fields hold
    return kind(**parameters)


def _from_file(path: Path) -> ModuleType:
    sys.path.append(str(path.parent))  # so that it may import its neighbours
    spec = importlib.util.spec_from_file_location("custom_strategy", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["custom_strategy"] = module
    spec.loader.exec_module(module)
    return module


def _lookback(made: Any) -> int:
    lookback = made.lookback
    if isinstance(lookback, bool) or not isinstance(lookback, int) or not 1 <= lookback <= 100_000:
        raise TypeError(f"its lookback is {lookback!r}: a whole number of bars from 1 to 100,000")
    return lookback


def _answer(made: Any, question: Ask) -> Answer:
    candles = question.candles
    if question.why:
        return Answer(why=" ".join(str(made.explain(candles)).split())[:200] if hasattr(made, "explain") else "")
    found = made.strengths(candles)
    if not isinstance(found, np.ndarray):
        raise TypeError(f"strengths() answered {type(found).__name__}, not a numpy array")
    if found.shape != (len(candles),) or found.dtype != np.float64:
        what = f"{found.dtype} of shape {found.shape} for {len(candles)} candles"
        raise TypeError(f"strengths() answered {what}, not one float64 each")
    if (np.abs(found[~np.isnan(found)]) > 1).any():
        raise ValueError(f"strengths() answered {np.nanmax(np.abs(found)):g}, outside -1..1")
    return Answer(strengths=found.tobytes())


def _line(error: BaseException) -> str:
    """The error in one line, with the line of the strategy it came from."""
    place, trace = "", error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals.get("__name__") == "custom_strategy":
            place = f" (line {trace.tb_lineno})"
        trace = trace.tb_next
    return f"{' '.join(f'{type(error).__name__}: {error}'.split())[:300]}{place}"


def _alarm(seconds: float) -> None:
    """The system ends this process after ``seconds``, whatever it is doing; 0 calls that off. Not on Windows."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


if __name__ == "__main__":
    main()
