"""A person's own strategy: checked at load, run beside us, and however broken it costs its own opinion only."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cli.test_bad_input import run
from trade_mcp.app import App
from trade_mcp.domain.errors import BadConfig, StrategyFailed
from trade_mcp.sources import custom
from trade_mcp.sources.custom import Custom
from trade_mcp.sources.trial import trial, walk
from trade_mcp.sources.voices import examined, voice
from trade_mcp.strategies import STRATEGIES, build_strategy, manual

GOOD = """
import numpy as np
class Strategy:
    def __init__(self, period=20):
        self.lookback = period
    def strengths(self, candles):
        print("to stdout, which is the protocol's")
        out = np.full(len(candles), np.nan)
        if len(out) < self.lookback:
            return out
        windows = np.lib.stride_tricks.sliding_window_view(candles.close, self.lookback)
        for i, window in enumerate(windows):
            out[i + self.lookback - 1] = 1.0 if window[-1] > window.mean() else -1.0
        return out
    def explain(self, candles):
        return f"the close is {candles.close[-1]:.2f}"
"""
BROKEN = {
    "raises": ("raise ValueError('no idea')", "ValueError: no idea"),
    "exits": ("raise SystemExit(3)", "SystemExit: 3"),
    "dies": ("import os; os._exit(1)", "its process died"),
    "hangs": ("while True: pass", "no answer within"),
    "scalar": ("return 1.0", "it answered float"),
    "short": ("return out[1:]", "it answered float64"),
    "too strong": ("out[19:] = 3; return out", "outside -1..1"),
    "looks ahead": ("out[19:-1] = np.sign(np.diff(candles.close))[19:]; out[-1] = 0; return out", "by noise"),
    "remembers": (
        "out[:] = np.sign(candles.close - candles.close[0]); out[:19] = np.nan; return out",
        "beyond its lookback",
    ),
    "nan": ("return out * np.nan", "are NaN though"),
}


def file(folder: Path, first: str = "") -> Path:
    path = folder / "mine.py"
    path.write_text(GOOD.replace("        windows =", f"        {first}\n        windows =") if first else GOOD)
    return path


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custom, "CALL_S", 1.0)


def test_a_good_one_passes_every_check_with_its_own_parameters(tmp_path: Path) -> None:
    checks = examined(str(file(tmp_path)), {"period": 30})
    assert [check.name for check in checks] == ["load", "shape", "look_ahead", "truncation", "reason", "time"]
    assert all(check.passed for check in checks), checks
    assert "30 bars" in checks[0].seen


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_one_is_told_by_what_is_wrong_and_not_started_with(tmp_path: Path, fault: str) -> None:
    code, said = BROKEN[fault]
    path = file(tmp_path, code)
    assert any(said in check.seen for check in examined(str(path), {}) if not check.passed)
    with pytest.raises(BadConfig, match=r"\[strategies\.mine\]") as refused:
        voice("mine", {"file": str(path)}, {})
    assert refused.value.hint


def test_a_file_that_does_not_load_says_why(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("import nothing_like_it")
    (check,) = examined(str(path), {})
    assert not check.passed and "nothing_like_it" in check.seen
    path.write_text("class Other: pass")
    (check,) = examined(str(path), {})
    assert "Strategy" in check.seen


def test_one_that_hangs_is_ended_muted_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custom, "REST_CALLS", 2)
    gate = tmp_path / "hang"
    made = Custom("mine", str(file(tmp_path, f"import os\n        while os.path.exists({str(gate)!r}): pass")), {})
    assert len(made.strengths(walk(50))) == 50
    gate.touch()
    with pytest.raises(StrategyFailed, match="no answer"):
        made.strengths(walk(50))
    gate.unlink()
    for _ in range(2):
        with pytest.raises(StrategyFailed, match="muted"):
            made.strengths(walk(50))
    assert len(made.strengths(walk(50))) == 50
    made.close()


def test_the_others_decide_without_one_that_fails(tmp_path: Path, stage: Callable[..., App]) -> None:
    flag = tmp_path / "fail"
    path = file(tmp_path, f"import os\n        if os.path.exists({str(flag)!r}): raise ValueError('no idea')")
    app = stage(strategies={"mine": {"file": str(path)}})
    assert {one.strategy for one in app.signals.view("BTC/USDT").opinions} == {"ema_cross", "rsi_reversion", "mine"}
    flag.touch()
    view = app.signals.view("BTC/USDT")
    assert view.strength is not None
    assert next(one.why for one in view.opinions if one.strategy == "mine") == "failed: ValueError: no idea"
    app.decide.step()


def test_a_strategy_on_its_own_timeframe_sees_its_own_closed_bars(stage: Callable[..., App]) -> None:
    slow = {"slow": {"kind": "donchian_breakout", "timeframe": "15m", "entry": 5, "exit": 3}}
    app = stage(strategies=slow)
    said = {one.strategy: one.why for one in app.signals.view("BTC/USDT").opinions}
    assert "high of 5 bars" in said["slow"]


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_built_in_strategy_passes_the_trial(name: str) -> None:
    assert all(check.passed for check in trial(build_strategy(name))), trial(build_strategy(name))


def test_the_command_says_each_check_and_ends_with_its_code(tmp_path: Path) -> None:
    good = run(tmp_path, "check-strategy", str(file(tmp_path)))
    assert good.returncode == 0 and "ok    look_ahead" in good.stdout and "to stdout" not in good.stdout
    bad = run(tmp_path, "check-strategy", str(file(tmp_path, BROKEN["looks ahead"][0])), "--json")
    assert bad.returncode == 1
    assert [c["name"] for c in json.loads(bad.stdout)["checks"] if not c["passed"]] == ["look_ahead"]
    unknown = run(tmp_path, "check-strategy", "ema_crss")
    assert unknown.returncode == 2 and "did you mean 'ema_cross'" in unknown.stderr


def test_the_page_about_strategies_is_what_the_code_says() -> None:
    page = Path(__file__).parents[2] / "docs" / "strategies.md"
    assert page.read_text("utf-8") == manual.page(), "python -m trade_mcp.strategies.manual > docs/strategies.md"
    example = page.read_text("utf-8").split("```python\n")[1].split("```")[0]
    space: dict[str, type] = {}
    exec(example, space)
    assert np.isnan(space["Strategy"]().strengths(walk(40))[:19]).all()
