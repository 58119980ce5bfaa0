"""docs/practice.md says what there is: every endpoint, every fault and its fields, and code that works as it stands."""

import re
import typing
from pathlib import Path

import pytest

from practice.running import Running
from trade_mcp.practice.faults import Fault, Name, parse_faults
from trade_mcp.practice.routes import PREFIXES

PAGE = (Path(__file__).parents[2] / "docs" / "practice.md").read_text("utf-8")
CODE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("name", sorted({name.split()[1] for _, table in PREFIXES for name in table}))
def test_every_endpoint_is_named(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_every_fault_and_field_is_named() -> None:
    names = typing.get_args(Name.__value__)
    assert [name for name in (*names, *Fault.__struct_fields__[1:]) if f"`{name}`" not in PAGE] == []


def test_the_example_plan_is_one() -> None:
    import tomllib

    (plan,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert [fault.fault for fault in parse_faults(tomllib.loads(plan))] == ["drop", "stale", "answer"]


def test_the_first_example_trades(exchange: Running, capsys: pytest.CaptureFixture[str]) -> None:
    exec(CODE[0].replace("http://127.0.0.1:9100", exchange.url), {})
    assert capsys.readouterr().out.strip().endswith("closed")
