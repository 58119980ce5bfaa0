"""The machine under the desk: its clock, disk, files, permissions, and what its environment holds."""

import os
import shutil
import socket
import stat
import time
from pathlib import Path

from trade_mcp.cli.checks.patient import Finding, Patient, fail, of_problems, ok, warn
from trade_mcp.logs.redact import SECRET_NAME
from trade_mcp.office.health import LEAST_FREE, alive, clock_problems
from trade_mcp.office.plain import lasting

LOW_FREE = 1_000_000_000  # bytes
FULL = 0.8  # of the file handles a program may have
SHORT_TOKEN = 16  # characters
NETWORKED = (
    "nfs",
    "cifs",
    "smb",
    "9p",
    "afs",
    "ceph",
    "gluster",
    "lustre",
    "fuse.sshfs",
    "fuse.s3",
    "fuse.rclone",
    "drvfs",
)


def clock(patient: Patient) -> Finding:
    """The real clock against boot time, which nobody can set, over the life of every program."""
    moved = max((beat.stepped_s for beat in patient.beats if alive(beat)), key=abs, default=None)
    steps = "no program to compare with" if moved is None else f"{moved:+.1f} s against boot time"
    zone = f"{time.strftime('%Z')} ({time.strftime('%z')}); the desk keeps UTC"
    up = lasting(patient.clock.boot())
    said = f"{patient.now:%Y-%m-%d %H:%M:%S} UTC, {steps}, up {up}, zone {zone}; NTP not verified"
    return of_problems(clock_problems(patient.beats), said, hint="let NTP keep the clock; restart the programs")


def disk(patient: Patient) -> Finding:
    """What is free where the ledger is."""
    free = shutil.disk_usage(_existing(patient.folder)).free
    said = f"{free / 1e9:.1f} GB free at {patient.folder}"
    if free < LEAST_FREE:
        return fail(said, "make room: old backups, replaced-* folders, logs")
    return warn(said, "make room before it is full") if free < LOW_FREE else ok(said)


def filesystem(patient: Patient) -> Finding:
    """Whether the ledger's write-ahead log is on a disk that can carry one: a network mount tears it apart."""
    folder = _existing(patient.path.parent)
    kind = filesystem_of(folder)
    if kind is None:
        return warn("its kind cannot be told here", "keep the data folder on a local disk")
    if kind.startswith(NETWORKED):
        return fail(
            f"{folder} is on {kind}, a network mount: SQLite's log is not safe there", "move data_dir to a local disk"
        )
    return ok(f"{folder} is on {kind}")


def file_handles(patient: Patient) -> Finding | None:
    """Open files of every program that runs here, against what it may have."""
    here = {beat.pid: beat.program for beat in patient.beats if alive(beat) and beat.host == socket.gethostname()}
    counts = [(*found, here[pid]) for pid in here if (found := _handles(pid)) is not None]
    if not counts:
        return None
    used, most, program = max(counts, key=lambda one: one[0] / one[1])
    said = f"{used} of {most} open in {program}, the most of {len(counts)} programs"
    return warn(said, "raise ulimit -n, and look what keeps them open") if used > FULL * most else ok(said)


def permissions(patient: Patient) -> Finding | None:
    """Whether the data folder is ours alone."""
    if not patient.folder.is_dir():
        return None
    found = patient.folder.stat()
    said = f"{patient.folder} has mode {stat.S_IMODE(found.st_mode):o}, owner {found.st_uid}"
    if not os.access(patient.folder, os.W_OK | os.X_OK):
        return fail(f"{said}: it cannot be written", "run as its owner, or set another [desk] data_dir")
    if found.st_uid != os.geteuid() and os.geteuid() != 0:
        return warn(f"{said}: it is another user's", "run the desk as one user")
    if found.st_mode & 0o077:
        return warn(f"{said}: others may look in", f"chmod 700 {patient.folder}")
    return ok(said)


def secrets(patient: Patient) -> Finding:
    """Which secrets the environment holds, by name; and files with secrets that others may read."""
    names = sorted(name for name in os.environ if name.startswith("TRADE_MCP_") and SECRET_NAME.search(name))
    said = f"set: {', '.join(names)}" if names else "none set"
    token = patient.settings.server.token
    if token is not None and len(token.get_secret_value()) < SHORT_TOKEN:
        return warn(
            f"{said}; the server token is short", "python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )
    dotenv = Path(".env")
    if dotenv.exists() and dotenv.stat().st_mode & 0o077:
        return warn(f"{said}; .env can be read by others", "chmod 600 .env")
    return ok(said)


def filesystem_of(folder: Path) -> str | None:
    """The kind of file system ``folder`` is on, such as "ext4" or "nfs4"; None where the system does not tell."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return None
    return kind_of(str(folder.resolve()), mounts)


def kind_of(path: str, mounts: list[str]) -> str | None:
    """The kind of the mount that ``path`` is under, by the lines of mountinfo; of two on one place the later counts."""
    best, kind = -1, None
    for line in mounts:
        fields, _, more = line.partition(" - ")
        point = fields.split()[4].encode().decode("unicode_escape")
        if (path + "/").startswith(point.rstrip("/") + "/") and len(point) >= best:
            best, kind = len(point), more.split()[0]
    return kind


def _existing(folder: Path) -> Path:
    """``folder``, or the nearest above it that is there."""
    return next(each for each in (folder, *folder.absolute().parents) if each.is_dir())


def _handles(pid: int) -> tuple[int, int] | None:
    """How many files process ``pid`` has open, and may have; None where that cannot be known."""
    try:
        used = len(os.listdir(f"/proc/{pid}/fd"))
        limits = Path(f"/proc/{pid}/limits").read_text()
    except OSError:
        return None
    line = next(line for line in limits.splitlines() if line.startswith("Max open files"))
    soft = line.split()[3]
    return used, int(soft) if soft.isdigit() else 1_000_000
