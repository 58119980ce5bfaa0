"""Backup and restore of the ledger with its paper account."""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trade_mcp import __version__
from trade_mcp.cli.options import Config, Json, say, writable
from trade_mcp.office.plain import moment

if TYPE_CHECKING:
    from trade_mcp.store.backup import Manifest

AFTER_S = 1.0  # a copy that is faster needs no progress

File = Annotated[Path, typer.Argument(metavar="FILE", help="The backup: one file, a zip with a manifest.")]
Replace = Annotated[bool, typer.Option("--replace", help="Take the place of what is there already.")]


def backup(file: File, replace: Replace = False, config: Config = None, as_json: Json = False) -> None:
    """Write ledger and paper account into one file. As of one moment, while everything runs.

    The copy is checked (hash chain, tables, both files against each other) before the file appears; it is whole or not
    there. Settings and secrets are not in it.

    \b
    Examples:
      trade-mcp backup desk.backup
      trade-mcp backup "/mnt/nas/desk-$(date +%F).backup" --json
    """
    from trade_mcp.store.backup import back_up

    ledger, paper = _places(config)
    now = datetime.now(UTC)
    made = back_up(ledger, paper, file.absolute(), code=__version__, now=now, replace=replace, progress=_shown())
    size = file.stat().st_size
    text = f"{file}: {made.events} events, {size / 1e6:.1f} MB, checked and sound\n{_of(made)}"
    say({"file": str(file.absolute()), "size": size, **_told(made)}, text, as_json=as_json)


def restore(file: File, replace: Replace = False, config: Config = None, as_json: Json = False) -> None:
    """Put a backup in the ledger's place. The paper account comes with it; no program may run.

    Everything is checked first: the file, its schema, the hash chain, the tables. With --replace, what was there before
    is kept aside in a folder beside it. Market time goes on from the moment of the backup.

    \b
    Examples:
      trade-mcp restore desk.backup
      trade-mcp restore desk.backup --replace && trade-mcp verify
    """
    from trade_mcp.clock import LiveClock
    from trade_mcp.store import restore as restoring

    ledger, paper = _places(config)
    restoring.manifest_of(file)  # a file that is none is told before a folder is made
    for folder in {ledger.parent, paper.parent}:
        writable(folder)
    done = restoring.restore(
        file, ledger, paper, code=__version__, clock=LiveClock(), replace=replace, progress=_shown()
    )
    lines = [f"{ledger} is restored: {done.manifest.events} events, checked and sound", _of(done.manifest)]
    if done.aside is not None:
        lines.append(f"what was there before is in {done.aside}")
    if done.unread:
        lines.append(f"warning: whether programs still run on the old ledger could not be read: {done.unread}")
    answer = {"ledger": str(ledger), "aside": done.aside and str(done.aside), "unread": done.unread}
    say(answer | _told(done.manifest), "\n".join(lines), as_json=as_json)


def _places(config: Path | None) -> tuple[Path, Path]:
    from trade_mcp.settings import load_settings
    from trade_mcp.store.engine import path_of

    desk = load_settings(config).desk
    return path_of(desk.ledger_url).absolute(), (desk.data_dir / "paper.db").absolute()


def _of(made: "Manifest") -> str:
    return (
        f"venue {made.venue}, account {made.account}, feed {made.feed}; schema {made.schema}, version {made.version};"
        f" made {moment(made.made_at)}, last event at {moment(made.last_event_at)} market time"
    )


def _told(made: "Manifest") -> dict[str, Any]:
    names = ("made_at", "version", "schema", "events", "hash", "last_event_at", "venue", "account", "feed", "quote")
    return {name: getattr(made, name) for name in names}


def _shown() -> Callable[[str, int, int], None]:
    """Progress on stderr, for a copy that takes a while: one line on a terminal, else a line every ten seconds."""
    began = time.monotonic()
    last = began + AFTER_S
    terminal = sys.stderr.isatty()

    def show(what: str, done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now < last:
            return
        last = now + (0.2 if terminal else 10.0)
        line = f"{what}: {done / 1e6:.0f} of {total / 1e6:.0f} MB"
        print(f"\r{line:40}" if terminal else line, end="" if terminal else "\n", file=sys.stderr, flush=True)
        if terminal and done >= total:
            print(file=sys.stderr)

    return show
