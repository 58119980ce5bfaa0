"""The wheel as a stranger gets it: built once from this tree, and installed into an empty environment."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def build(into: Path) -> Path:
    """The wheel of this tree, in the folder ``into``."""
    command = ["uv", "build", "--quiet", "--wheel", "--python", interpreter(), "--out-dir", str(into), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (wheel,) = into.glob("*.whl")
    return wheel


def install(wheel: Path, into: Path) -> Path:
    """The folder of programs of a new environment ``into`` that has the wheel, what it needs, and nothing else."""
    subprocess.run(["uv", "venv", "--quiet", "--python", interpreter(), str(into)], check=True, timeout=60)
    command = ["uv", "pip", "install", "--quiet", "--python", str(into / "bin" / "python"), str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return into / "bin"


def interpreter() -> str:
    """The Python below this environment."""
    return str(getattr(sys, "_base_executable", sys.executable))


def nobody(folder: Path) -> dict[str, str]:
    """The environment of somebody who has only this folder: no settings, no source tree, no configuration of ours."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "TMPDIR")}
    return kept | {"HOME": str(folder)}
