"""docs/faults.md has every row, and names tests that are there."""

import ast
from pathlib import Path

from faults_page import ROWS, rows_of, written

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "faults.md"


def numbered() -> dict[str, set[int]]:
    """Every test named after a row, with its rows."""
    found: dict[str, set[int]] = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and (rows := rows_of(node.name)):
                found[node.name] = set(rows)
    return found


def test_the_page_has_every_row_and_every_test_named_after_one() -> None:
    page = written(PAGE)
    assert list(page) == list(ROWS)
    for name, rows in numbered().items():
        for row in rows:
            assert f"[{name.removeprefix('test_')}]" in page[row], f"run the tests with --faults-page: {name} is new"


def test_every_test_the_page_names_is_there() -> None:
    tests = {name.removeprefix("test_") for name in numbered()}
    for row, proof in written(PAGE).items():
        named = {part.partition("]")[0] for part in proof.split("[")[1:] if part.startswith("fault_")}
        assert named <= tests, f"row {row} names {named - tests}"


def test_what_lies_between_desk_and_exchange_is_proven() -> None:
    page = written(PAGE)
    unproven = [row for row in (*range(1, 36), *range(38, 42), 43, 45) if not page[row]]
    assert unproven == []
