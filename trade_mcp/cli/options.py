"""Options: what many commands share, and the desk opened for one command."""

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trade_mcp.domain.errors import BadInput, RefusedError
from trade_mcp.office.plain import plain

if TYPE_CHECKING:
    from trade_mcp.app import App

Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Settings; default ./trade-mcp.toml, else the user's config folder."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
For = Annotated[str | None, typer.Option("--for", metavar="TIME", help="End after this real time: 90s, 10m, 8h.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is written to the ledger.")]

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


@contextmanager
def desk(config: Path | None, program: str, overrides: Mapping[str, Any] | None = None) -> "Iterator[App]":
    """The desk of the configuration, for as long as a command needs it. Logs go to stderr from here on."""
    from trade_mcp import logs
    from trade_mcp.settings import load_settings

    settings = load_settings(config, overrides=overrides or {})
    writable(settings.desk.data_dir)
    logs.configure(program, mode=settings.mode)
    if (file := settings.logs.file) is not None:
        try:
            logs.to_file(program, file, mode=settings.mode, max_mb=settings.logs.max_mb, keep=settings.logs.keep)
        except OSError as error:
            said = f"the log file {file} cannot be written: {error.strerror}"
            raise BadInput(said, hint="set logs.file (TRADE_MCP_LOGS__FILE) to a file in a folder of yours") from None
    from trade_mcp.app import build

    app = build(settings, program)
    try:
        yield app
    finally:
        app.close()


def flag_is_down(config: Path | None) -> None:
    """Raises RefusedError while trading is halted by the flag; the ledger is not asked, it may be gone."""
    from trade_mcp.settings import load_settings
    from trade_mcp.store.flag import HaltFlag

    if why := HaltFlag(load_settings(config).desk.data_dir).why():
        raise RefusedError(why, hint='trade-mcp resume --reason "..." ends it; serve and watch run all the same')


def writable(folder: Path) -> None:
    """Raises BadInput before anything starts, rather than half-way."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # positions are nobody else's to read
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise BadInput(
            f"{folder} cannot be written: {error.strerror}",
            hint="set desk.data_dir (TRADE_MCP_DESK__DATA_DIR) to another folder",
        ) from None


def seconds(text: str | None) -> float | None:
    """Seconds of "60s", "10m", "8h" or plain "60"; None for None. Raises BadInput.

    >>> seconds("1.5m")
    90.0
    """
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", text.strip().lower())
    if found is None or float(found[1]) == 0:
        raise BadInput(f"{text!r} is not a length of time", hint="for example --for 60s, --for 10m or --for 8h")
    return float(found[1]) * _UNITS[found[2]]


def say(answer: Mapping[str, Any], text: str, *, as_json: bool) -> None:
    """Print an answer: the JSON of it, or what a person reads."""
    print(json.dumps(plain(answer), ensure_ascii=False) if as_json else text, flush=True)
