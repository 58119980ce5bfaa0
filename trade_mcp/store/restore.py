"""Restore: a backup put in the place of a ledger and its paper account, after everything about it was checked.

What stood there before is kept aside. While files change places, a mark beside the ledger keeps every program out of
it; a restore that is cut off leaves the mark, and the next one finishes the work.
"""

import fcntl
import hashlib
import os
import socket
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from trade_mcp.domain.errors import BadInput, LedgerError, RefusedError, SchemaNewer, TradeError
from trade_mcp.ports import Clock
from trade_mcp.store.backup import CHUNK, FORMAT, LEDGER, MANIFEST, PAPER, Manifest, Progress, check, said, sync_folder
from trade_mcp.store.engine import open_as_it_is, restoring
from trade_mcp.store.leases import Heartbeats, Leases, dead
from trade_mcp.store.schema import bring_to_head, revisions

SILENT_S = 10.0  # real seconds without a sign of life until a program counts as gone
SIDES = ("", "-wal", "-shm")


class Restored(Struct, frozen=True):
    """What a restore did. ``aside``: where what stood there before is; ``unread``: why nobody could be asked."""

    manifest: Manifest
    aside: Path | None
    unread: str


def manifest_of(file: Path) -> Manifest:
    """What the backup ``file`` says of itself. Raises BadInput, LedgerError (foreign or damaged), SchemaNewer."""
    if not file.is_file():
        raise BadInput(f"there is no backup {file}", hint="trade-mcp backup FILE makes one")
    try:
        with zipfile.ZipFile(file) as packed:
            text = packed.read(MANIFEST)
    except (zipfile.BadZipFile, KeyError, OSError, EOFError) as error:
        raise LedgerError(
            f"{file} is not a backup of trade-mcp, or not all of it: {error}", hint="nothing was changed"
        ) from None
    try:
        newer = int(msgspec.json.decode(text).get("format", 0))
        if newer > FORMAT:
            raise SchemaNewer(f"{file} has format {newer}, this version knows {FORMAT}", hint="use the newer trade-mcp")
        manifest = msgspec.json.decode(text, type=Manifest)
    except (msgspec.DecodeError, AttributeError, TypeError, ValueError) as error:
        raise LedgerError(f"the manifest of {file} is damaged: {error}", hint="nothing was changed") from None
    if manifest.schema not in revisions():
        raise SchemaNewer(
            f"{file} has schema {manifest.schema}, this version knows {revisions()[-1]} at most",
            hint=f"restore it with trade-mcp {manifest.version}",
        )
    if not {LEDGER} <= manifest.files.keys() <= {LEDGER, PAPER}:
        raise LedgerError(
            f"{file} holds other files than a backup: {', '.join(manifest.files)}", hint="nothing was changed"
        )
    return manifest


def restore(
    file: Path, ledger: Path, paper: Path, *, code: str, clock: Clock, replace: bool = False, progress: Progress
) -> Restored:
    """Put the backup ``file`` in the place of ``ledger`` and ``paper``; what was there is kept aside.

    Raises what `manifest_of` does, RefusedError (programs run on the ledger), BadInput (there is one, and not
    ``replace``), LedgerError (damaged, not sound, no room). Until the files change places, nothing is changed.
    """
    manifest = manifest_of(file)
    unread = _nobody_runs(ledger, clock)
    if (there := [str(path) for path in (ledger, paper) if path.exists()]) and not replace:
        raise BadInput(f"{' and '.join(there)} would be replaced", hint="say --replace: what is there is kept aside")
    places = {LEDGER: ledger, PAPER: paper}
    with ExitStack() as scratch, said(ledger):
        staged = {}
        for name in manifest.files:
            places[name].parent.mkdir(parents=True, exist_ok=True)
            folder = tempfile.TemporaryDirectory(dir=places[name].parent, prefix=".trade-mcp-restore-")
            staged[name] = Path(scratch.enter_context(folder)) / name
        _unpack(file, manifest, staged, progress)
        bring_to_head(staged[LEDGER])
        check(staged[LEDGER], staged.get(PAPER), code=code)
        with _marked(ledger):
            _nobody_runs(ledger, clock)  # nobody can have begun between the first look and the mark
            aside = _swap(staged, places, at=clock.real())
    return Restored(manifest, aside, unread)


def _nobody_runs(ledger: Path, clock: Clock) -> str:
    """Raises RefusedError, naming who runs on the ledger; answers why that could not be read, or ""."""
    if not ledger.exists():
        return ""
    try:
        engine = open_as_it_is(ledger)
        try:
            roles = Leases(engine, clock=clock).held()
            running = {f"{held.name} is held by process {held.pid} on {held.host}" for held in roles}
            running |= {
                f"{beat.program} of process {beat.pid} on {beat.host} was heard {beat.age_s:.0f} s ago"
                for beat in Heartbeats(engine, clock=clock).all()
                if beat.age_s < SILENT_S and not (beat.host == socket.gethostname() and dead(beat.pid))
            }
        finally:
            engine.close()
    except TradeError as error:
        return error.message
    if running:
        raise RefusedError(f"the desk runs: {'; '.join(sorted(running))}", hint="stop every program, then restore")
    return ""


def _unpack(file: Path, manifest: Manifest, staged: dict[str, Path], progress: Progress) -> None:
    """Every piece as its manifest says, on the disk. Raises LedgerError for a damaged one."""
    total, done = sum(piece.size for piece in manifest.files.values()), 0
    with zipfile.ZipFile(file) as packed:
        for name, piece in manifest.files.items():
            found, size = hashlib.sha256(), 0
            try:
                with packed.open(name) as source, staged[name].open("wb") as out:
                    while size <= piece.size and (chunk := source.read(CHUNK)):
                        out.write(chunk)
                        found.update(chunk)
                        size += len(chunk)
                        progress("unpacking", done + size, total)
            except (zipfile.BadZipFile, KeyError, EOFError, zlib.error) as error:
                raise LedgerError(f"{name} in {file} is damaged: {error}", hint="nothing was changed") from None
            if (size, found.hexdigest()) != (piece.size, piece.sha256):
                raise LedgerError(f"{name} in {file} is not what its manifest says", hint="nothing was changed")
            done += size


@contextmanager
def _marked(ledger: Path) -> Iterator[None]:
    """Nobody opens the ledger. Whoever is refused leaves things as they were; a failure half-way leaves the mark."""
    mark = restoring(ledger)
    cut_off = mark.exists()
    with mark.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RefusedError(f"another restore of {ledger} is under way", hint="wait for it") from None
        try:
            yield
        except RefusedError:
            if not cut_off:
                mark.unlink()
            raise
        mark.unlink()


def _swap(staged: dict[str, Path], places: dict[str, Path], *, at: datetime) -> Path | None:
    """Old files aside, with those beside them that SQLite needs; new ones in their place."""
    aside = None
    for path in (places[name] for name in staged):
        for old in [each for side in SIDES if (each := path.with_name(path.name + side)).exists()]:
            aside = path.parent / f"replaced-{at:%Y%m%dT%H%M%S.%fZ}"
            aside.mkdir(exist_ok=True)
            os.rename(old, aside / old.name)
    for name, new in staged.items():
        with new.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(new, places[name])
    for folder in {path.parent for path in places.values()}:
        sync_folder(folder)
    return aside
