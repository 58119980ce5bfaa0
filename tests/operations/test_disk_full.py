"""Fault 37: the disk is full. Trading pauses, nothing is half written, and with room the desk goes on by itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from operations.wheels import ROOT

SCRIPT = "mount -t tmpfs -o size=2m x {folder} && exec {python} -m operations.full_disk {folder}"


@pytest.mark.storm
@pytest.mark.skipif(
    subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "x", "/mnt"], capture_output=True).returncode != 0,
    reason="no file system may be mounted here",
)
def test_a_full_disk_pauses_trading_and_breaks_nothing(tmp_path: Path) -> None:
    script = SCRIPT.format(folder=tmp_path, python=sys.executable)
    done = subprocess.run(
        ["unshare", "-rm", "bash", "-c", script],
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'tests'}:{os.environ.get('PYTHONPATH', '')}"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "disk is full" in done.stdout or "disk full" in done.stdout
