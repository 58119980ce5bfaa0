"""The house stands: imports only point down, and one file submits to a venue."""

import ast
from pathlib import Path

import trade_mcp

ROOT = Path(trade_mcp.__file__).parent
FLOORS = {
    0: ("domain", "quant", "risk", "strategies"),
    1: ("ports", "venues", "feeds", "sources", "channels", "store", "clock"),
    2: ("desk", "office"),
    3: (
        "settings",
        "logs",
        "role",
        "app",
        "server",
        "loop",
        "watcher",
        "cli",
        "analyze_portfolio",
        "reports",
        "practice",
        "clerk",
        "up",
        "__main__",
    ),
}
FLOOR_OF = {name: floor for floor, names in FLOORS.items() for name in names}
FORBIDDEN_ON_GROUND = {"time", "random", "logging", "structlog", "os", "pathlib", "sqlalchemy", "sqlmodel", "pydantic"}
SENDERS = {f"trade_mcp.desk.{name}" for name in ("send", "gate", "exits", "protection", "inkless")}


def modules() -> list[tuple[str, Path]]:
    return [
        (path.relative_to(ROOT).with_suffix("").parts[0], path)
        for path in sorted(ROOT.rglob("*.py"))
        if path.name != "__init__.py" or path.parent != ROOT
    ]


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_every_package_has_a_floor() -> None:
    unknown = {name for name, _ in modules()} - FLOOR_OF.keys()
    assert not unknown


def test_imports_only_point_down() -> None:
    wrong = []
    for package, path in modules():
        for name in imports(path):
            parts = name.split(".")
            ours = parts[0] == "trade_mcp" and len(parts) > 1 and parts[1] in FLOOR_OF
            if ours and FLOOR_OF[parts[1]] > FLOOR_OF[package]:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert wrong == []


def test_the_ground_floor_asks_nobody() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for package, path in modules()
        if FLOOR_OF[package] == 0
        for name in imports(path)
        if name.split(".")[0] in FORBIDDEN_ON_GROUND
    ]
    assert wrong == []


def test_the_office_cannot_send() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for package, path in modules()
        if package == "office"
        for name in imports(path)
        if name in SENDERS
    ]
    assert wrong == []


def test_one_file_submits_to_a_venue() -> None:
    calls = {
        str(path.relative_to(ROOT))
        for _, path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "submit"
        and "venue" in ast.unparse(node.func.value).lower()
    }
    assert calls == {"desk/send.py"}
