"""The systemd units: systemd understands them, and they start programs that exist."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import typer

from operations.wheels import ROOT
from trade_mcp.cli.commands import app
from trade_mcp.cli.supervise import PROGRAMS

UNITS = sorted((ROOT / "deploy" / "systemd").iterdir())


def started() -> dict[str, str]:
    return {
        unit.name: line.partition(" ")[2]
        for unit in UNITS
        for line in unit.read_text("utf-8").splitlines()
        if line.startswith("ExecStart=")
    }


def test_the_units_start_the_programs_of_the_supervisor() -> None:
    assert set(started().values()) == {command for _, command, _ in PROGRAMS}
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert {command.split()[0] for command in started().values()} <= set(known)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    program = tmp_path / ".local" / "bin" / "trade-mcp"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    copies = []
    for unit in UNITS:
        copies.append(tmp_path / unit.name)
        copies[-1].write_text(unit.read_text("utf-8").replace("%h", str(tmp_path)))
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", *map(str, copies)],
        env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
