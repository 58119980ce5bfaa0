"""A person's own strategy: checked at load, run beside us, and however broken it costs its own opinion only."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from cli.test_bad_input import run
from server.serving import until
from trade_mcp.app import App
from trade_mcp.domain.errors import BadConfig, StrategyFailed
from trade_mcp.domain.events import Alarm
from trade_mcp.quant.candles import Candles
from trade_mcp.sources import custom
from trade_mcp.sources.custom import Custom
from trade_mcp.sources.trial import Check, trial, walk
from trade_mcp.sources.voices import checked, examined, voice
from trade_mcp.store import history
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
    "raises": ("raise ValueError('no idea')", "ValueError: no idea (line "),
    "exits": ("raise SystemExit(3)", "SystemExit: 3"),
    "dies": ("import os; os._exit(1)", "its process died"),
    "hangs": ("while True: pass", "no answer within"),
    "reads": ("raise ValueError(input())", "EOFError"),
    "scalar": ("return 1.0", "answered float, not"),
    "odd": ("return Strategy()", "answered Strategy, not"),
    "short": ("return out[1:]", "not one float64 each"),
    "of integers": ("return np.ones(len(out), dtype=int)", "answered int64"),
    "too strong": ("out[19:] = 3; return out", "outside -1..1"),
    "draws": ("out[19:] = np.random.default_rng().random(len(out) - 19); return out", "shown again"),
    "looks ahead": (
        "out[19:-1] = np.sign(np.diff(candles.close))[19:]; out[-1] = 0; return out",
        "candles after number",
    ),
    "looks ahead now and then": (
        "out[19:-1] = np.diff(candles.close)[19:] > 0.03 * candles.close[19:-1]; out[-1] = 0; return out",
        "candles after number",
    ),
    "remembers": (
        "out[:] = np.sign(candles.close - candles.close[0]); out[:19] = np.nan; return out",
        "beyond its lookback",
    ),
    "nan": ("return out * np.nan", "are NaN though"),
    "changes what it sees": ("candles.close[0] = 1; return out", "read-only"),
}


def file(folder: Path, first: str = "") -> Path:
    path = folder / "mine.py"
    path.write_text(GOOD.replace("        windows =", f"        {first}\n        windows =") if first else GOOD)
    return path


def tried(path: Path, **parameters: object) -> list[Check]:
    made = Custom("mine", str(path), parameters)
    try:
        return examined(made)
    finally:
        made.close()


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Callable[..., Custom]]:
    """``made(code)``: a strategy whose strengths() begins with ``code``; ended after the test."""
    all_made = []

    def make(first: str = "", **parameters: object) -> Custom:
        all_made.append(Custom("mine", str(file(tmp_path, first)), parameters))
        return all_made[-1]

    yield make
    for one in all_made:
        one.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custom, "CALL_S", 0.5)


def process(one: Custom) -> psutil.Process:
    assert one._child is not None
    return psutil.Process(one._child._process.pid)


def test_a_good_one_passes_every_check_with_its_own_parameters(tmp_path: Path) -> None:
    checks = tried(file(tmp_path), period=30)
    assert [check.name for check in checks] == [
        "load",
        "shape",
        "repeats",
        "look_ahead",
        "truncation",
        "reason",
        "time",
    ]
    assert all(check.passed for check in checks), checks
    assert "30 bars" in checks[0].seen


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.usefixtures("impatient")
def test_a_broken_one_is_told_by_what_is_wrong_and_not_started_with(tmp_path: Path, fault: str) -> None:
    code, said = BROKEN[fault]
    with pytest.raises(BadConfig, match=r"\[strategies\.mine\]") as refused:
        checked(voice("mine", {"file": str(file(tmp_path, code))}, {}))
    assert said in refused.value.message
    assert "trade-mcp check-strategy mine" in refused.value.hint


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import nothing_like_it", "nothing_like_it"),
        ("class Strategy(", "SyntaxError"),
        ("class Other: pass", "there is no class Strategy in mine.py"),
        ("class Strategy:\n    lookback = 0", "its lookback is 0"),
        ("class Strategy:\n    lookback = 2.5", "its lookback is 2.5"),
        ("class Strategy: pass", "has no attribute 'lookback'"),
        (GOOD.replace("period=20", "length"), "'length'"),
        ("import os; os._exit(0)", "its process died"),
    ],
)
def test_a_file_that_does_not_load_says_why(tmp_path: Path, code: str, said: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(code)
    (check,) = tried(path)
    assert not check.passed and said in check.seen and "docs/strategies.md" in check.hint


def test_a_file_that_never_ends_loading_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custom, "LOAD_S", 0.5)
    path = tmp_path / "mine.py"
    path.write_text("while True: pass")
    (check,) = tried(path)
    assert "not loaded within" in check.seen


def test_bounds_of_a_struct_hold_for_its_parameters(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    fields = "class Strategy(Struct):\n    period: Annotated[int, Meta(ge=2)] = 20\n    lookback = 20\n"
    path.write_text(f"from typing import Annotated\nfrom msgspec import Meta, Struct\n{fields}")
    (check,) = tried(path, period=1)
    assert "`int` >= 2 - at `$.period`" in check.seen


@pytest.mark.usefixtures("impatient")
def test_one_that_hangs_is_ended_muted_and_tried_again(
    tmp_path: Path, made: Callable[..., Custom], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(custom, "monotonic", lambda: now[0])
    hang = tmp_path / "hang"
    one = made(f"import os\n        while os.path.exists({str(hang)!r}): pass")
    assert len(one.strengths(walk(50))) == 50
    hung = process(one)
    hang.touch()
    with pytest.raises(StrategyFailed, match=r"no answer within 0.5 s"):
        one.strengths(walk(50))
    assert not hung.is_running()
    hang.unlink()
    now[0] += custom.REST_S - 1
    with pytest.raises(StrategyFailed, match=r"muted \(no answer within 0.5 s\); tried again in 1 s"):
        one.strengths(walk(50))
    now[0] += 1
    until(lambda: answers(one))


def answers(one: Custom) -> bool:
    """Whether it answers; while it is being started again it says so at once."""
    try:
        return len(one.strengths(walk(50))) == 50
    except StrategyFailed as error:
        assert "it is being started again" in error.why
        return False


def test_no_tick_waits_for_a_strategy_that_is_slow_to_start_again(
    tmp_path: Path, made: Callable[..., Custom], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(custom, "REST_S", 0.0)
    one = made()
    assert one.lookback == 20
    Path(one.file).write_text(f"import time; time.sleep(1)\n{GOOD}")
    process(one).kill()
    with pytest.raises(StrategyFailed, match="its process died"):
        one.strengths(walk(50))
    one._again_at = 0.0
    with pytest.raises(StrategyFailed, match="it is being started again"):
        one.strengths(walk(50))
    until(lambda: answers(one))


def test_what_a_strategy_made_never_comes_to_life_in_the_desk(made: Callable[..., Custom]) -> None:
    one = made("")
    path = Path(one.file)
    path.write_text(
        path.read_text().replace("return f", "return type('Odd', (), {'__str__': lambda s: 'odd\\nly'})() or f")
    )
    assert one.explain(walk(50)) == "odd ly"
    assert "custom_strategy" not in sys.modules


def test_its_process_has_none_of_our_secrets_and_ends_with_us(
    made: Callable[..., Custom], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADE_MCP_EXCHANGE_SECRET", "hunter2hunter2")
    one = made("import os; assert not [name for name in os.environ if name.startswith('TRADE_MCP_')]")
    assert len(one.strengths(walk(50))) == 50
    child = process(one)
    assert one._child is not None and one._child._process.stdin is not None
    one._child._process.stdin.close()  # what the end of the desk does
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_the_others_decide_without_one_that_fails_and_a_person_is_told_once(
    tmp_path: Path, stage: Callable[..., App]
) -> None:
    flag = tmp_path / "fail"
    path = file(tmp_path, f"import os\n        if os.path.exists({str(flag)!r}): raise ValueError('no idea')")
    app = stage(strategies={"mine": {"file": str(path)}})
    assert {one.strategy for one in app.signals.view("BTC/USDT").opinions} == {"ema_cross", "rsi_reversion", "mine"}
    flag.touch()
    view = app.signals.view("BTC/USDT")
    assert view.strength is not None
    assert "mine failed" in view.summary()
    (mine,) = (one for one in view.opinions if one.failed)
    assert mine.why.startswith("failed: ValueError: no idea (line ")
    for _ in range(2):
        app.decide.step()
    alarms = [event.text for event in history.events(app.engine, (Alarm,)) if isinstance(event, Alarm)]
    assert len(alarms) == 1 and alarms[0].startswith("the strategy mine is left out: failed: ValueError: no idea")


def test_a_bug_in_a_strategy_of_our_own_silences_it_alone(
    stage: Callable[..., App], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: object, candles: Candles) -> np.ndarray:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(STRATEGIES["rsi_reversion"], "strengths", broken)
    view = stage().signals.view("BTC/USDT")
    assert view.strength is not None
    assert [one.why for one in view.opinions if one.failed] == ["failed: ZeroDivisionError: a bug"]


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_built_in_strategy_passes_the_trial(name: str) -> None:
    checks = [check for check in trial(build_strategy(name)) if check.name != "time"]  # machines are shared
    assert all(check.passed for check in checks), checks


def desk(folder: Path, code: str) -> Path:
    (folder / "mine.py").write_text(code)
    (folder / "trade-mcp.toml").write_text('[strategies.mine]\nfile = "mine.py"\n')
    return folder


@pytest.mark.storm
def test_what_is_broken_in_a_strategy_holds_up_no_halt_and_no_watcher(tmp_path: Path) -> None:
    desk(tmp_path, "while True: pass")
    assert run(tmp_path, "halt", "--reason", "odd").returncode == 0
    assert run(tmp_path, "watch", "--for", "1s").returncode == 0
    desk(tmp_path, "raise ValueError('no idea')")
    refused = run(tmp_path, "tick", "--dry-run")
    assert refused.returncode == 2 and "[strategies.mine] load: ValueError: no idea (line 1)" in refused.stderr
    (tmp_path / "mine.py").unlink()
    refused = run(tmp_path, "tick", "--dry-run")
    assert refused.returncode == 2 and "there is no file" in refused.stderr


def test_a_strategy_is_found_beside_its_settings_or_in_an_installed_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered = tmp_path / "offered-1.0.dist-info"
    offered.mkdir()
    (offered / "METADATA").write_text("Metadata-Version: 2.1\nName: offered\nVersion: 1.0\n")
    (offered / "entry_points.txt").write_text("[trade_mcp.strategies]\nshared = offered_module:Strategy\n")
    (tmp_path / "offered_module.py").write_text(GOOD)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    inner = tmp_path / "settings"
    inner.mkdir()
    desk(inner, GOOD)
    with (inner / "trade-mcp.toml").open("a") as settings:
        settings.write('[strategies.fast]\nkind = "shared"\nperiod = 5\n')
    done = run(tmp_path, "tick", "--dry-run", "--config", "settings/trade-mcp.toml")
    assert done.returncode == 0, done.stderr
    assert "mine +" in done.stdout.replace("-", "+") and "fast +" in done.stdout.replace("-", "+")


def test_the_command_says_each_check_and_ends_with_its_code(tmp_path: Path) -> None:
    good = run(tmp_path, "check-strategy", str(file(tmp_path)))
    assert good.returncode == 0 and "ok    look_ahead" in good.stdout and "to stdout" not in good.stdout
    bad = run(tmp_path, "check-strategy", str(file(tmp_path, BROKEN["looks ahead"][0])), "--json")
    assert bad.returncode == 1
    (mine,) = json.loads(bad.stdout)["strategies"]
    assert [c["name"] for c in mine["checks"] if not c["passed"]] == ["look_ahead"]
    assert [one["strategy"] for one in json.loads(run(tmp_path, "check-strategy", "--json").stdout)["strategies"]] == [
        "ema_cross",
        "rsi_reversion",
    ]
    unknown = run(tmp_path, "check-strategy", "ema_crss")
    assert unknown.returncode == 2 and "did you mean 'ema_cross'" in unknown.stderr
    missing = run(tmp_path, "check-strategy", "nothing.py")
    assert missing.returncode == 2 and "there is no file nothing.py" in missing.stderr


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no interval timers here")
def test_a_hung_process_that_nobody_can_end_anymore_ends_itself(tmp_path: Path) -> None:
    code = """
from io import BytesIO
from trade_mcp.sources import wire, worker
def hang(*_):
    while True: pass
worker.LIMIT_S, worker.strategy_of, line = 0.3, hang, BytesIO()
wire.write(line, wire.Load("mine.py", {}))
line.seek(0)
worker.serve(line, BytesIO())
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=30).returncode == -signal.SIGALRM


def test_the_page_about_strategies_is_what_the_code_says() -> None:
    page = Path(__file__).parents[2] / "docs" / "strategies.md"
    assert page.read_text("utf-8") == manual.page(), "python -m trade_mcp.strategies.manual > docs/strategies.md"


def test_the_example_on_the_page_keeps_the_laws(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(manual.page().split("```python\n")[1].split("```")[0])
    assert all(check.passed for check in tried(path)), tried(path)
