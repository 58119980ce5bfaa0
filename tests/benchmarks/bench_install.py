"""Row 15: what the desk takes on the disk, installed from its wheel into an empty environment."""

import compileall
from pathlib import Path

import pytest

from operations.wheels import build, install

pytestmark = pytest.mark.bench

MB = 1e6
SHOWN = 8


def size(path: Path) -> float:
    """MB of a file, or of all files below a folder."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file() and not file.is_symlink()]
    return sum(file.stat().st_size for file in files) / MB


def test_installed_size(tmp_path: Path) -> None:
    programs = install(build(tmp_path), tmp_path / "venv")
    (packages,) = programs.parent.glob("lib/python*/site-packages")
    plain = size(packages)
    parts = sorted(((size(part), part.name) for part in packages.iterdir()), reverse=True)
    compileall.compile_dir(packages, quiet=2)
    print("\n| installed core | MB |\n|---|---|")
    for each, name in parts[:SHOWN]:
        print(f"| {name} | {each:.0f} |")
    print(f"| {len(parts) - SHOWN} others | {sum(each for each, _ in parts[SHOWN:]):.0f} |")
    print(f"| **all**, as uv installs it | **{plain:.0f}** |")
    print(f"| with the bytecode that pip, or the first start, adds at most | {size(packages):.0f} |")
