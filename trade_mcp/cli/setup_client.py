"""Set up a client: a server entry that works, tried out before it is written, and taken back exactly.

What was written is kept in the user's configuration folder, so that `--undo` knows it; the file as it was before stays
beside it as a backup.
"""

import hashlib
import json
import logging
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import msgspec
import platformdirs
from msgspec import Struct, structs

from trade_mcp.cli import json_edit
from trade_mcp.cli.clients import NAME, Command, Place, entry, machine_for, native, place
from trade_mcp.domain.errors import BadInput, TradeError
from trade_mcp.logs import SECRET_NAME
from trade_mcp.settings import config_file, load_settings
from trade_mcp.settings.sources import PATHS, PREFIX, from_file

BACKUP = ".before-trade-mcp"
TRIAL_S = 60.0
FETCHING = re.compile(  # what uvx reaches its packages with
    r"(UV_(\w*INDEX\w*|FIND_LINKS|CACHE_DIR|CONFIG_FILE|NATIVE_TLS|SYSTEM_CERTS|OFFLINE)"
    r"|(HTTPS?|NO|ALL)_PROXY|SSL_CERT_(FILE|DIR))$",
    re.I,
)
CREDENTIALS = re.compile(r"://[^/\s]*@")


class Written(Struct, frozen=True):
    """What was written for one client into one file."""

    client: str
    file: str
    path: tuple[str, ...]
    entry: dict[str, Any]
    before: str | None  # the backup; None: there was no such file
    made: bool  # the object around the entry was ours, too
    after: str  # hash of the file as we left it


class Plan(Struct, frozen=True):
    """What is to be written, and where."""

    client: str
    place: Place
    entry: dict[str, Any]
    command: Command  # as this system starts it: what is tried out
    left_out: tuple[str, ...]  # secrets of the environment


def planned(client: str, config: Path | None) -> Plan:
    """The entry for ``client`` with this interpreter and these settings. Raises BadConfig, BadInput."""
    machine = machine_for(client)
    command, left_out = server_command(config)
    shown = command if native(client, machine) else command.through_windows(machine.distribution)
    return Plan(client, place(client, machine), entry(client, shown), command, left_out)


def server_command(config: Path | None) -> tuple[Command, tuple[str, ...]]:
    """How to start the server from anywhere: absolute paths, the settings of now; and the secrets that are left out."""
    settings, file = load_settings(config), config_file(config)
    program, *arguments = _program()
    fetched = Path(program).name == "uvx"
    names = [name for name in sorted(os.environ) if name.startswith(PREFIX) or (fetched and FETCHING.match(name))]
    env = {name: os.environ[name] for name in names if not _secret(name)}
    for section, key in PATHS:
        name = f"{PREFIX}{section}__{key}".upper()
        if env.get(name):
            value = getattr(getattr(settings, section), key)
            files = [str(each.absolute()) for each in (value if isinstance(value, tuple) else (value,))]
            env[name] = json.dumps(files) if isinstance(value, tuple) else files[0]
    in_file = file is not None and "data_dir" in from_file(file).get("desk", {})
    if not in_file:  # the file may change its mind later; a default must not depend on who starts the server
        env[f"{PREFIX}DESK__DATA_DIR"] = str(settings.desk.data_dir.absolute())
    arguments += ["serve", *(["--config", str(file.absolute())] if file else [])]
    return Command(program, tuple(arguments), env), tuple(name for name in names if name not in env)


def try_out(command: Command) -> dict[str, Any]:
    """Start ``command`` as a client does, with a client's small environment, and ask for get_status.

    Raises TradeError with what the server said when it does not answer.
    """
    import anyio
    from mcp import Client, StdioServerParameters
    from mcp.client.stdio import stdio_client

    logging.getLogger("mcp").setLevel(logging.CRITICAL)  # it prints tracebacks for what we tell ourselves
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said, tempfile.TemporaryDirectory() as folder:

        async def ask() -> dict[str, Any]:
            server = StdioServerParameters(
                command=command.program, args=list(command.arguments), env=dict(command.env), cwd=folder
            )
            with anyio.fail_after(TRIAL_S):
                async with Client(stdio_client(server, errlog=said), read_timeout_seconds=TRIAL_S) as client:
                    answer = await client.call_tool("get_status", {})
                    if answer.is_error:
                        raise TradeError(f"get_status failed: {answer.content[0]}")
                    return dict(answer.structured_content or {})

        try:
            return anyio.run(ask)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | TradeError):
                raise
            said.seek(0)
            lines = [line for line in said.read().splitlines() if line.startswith("error: ")]
            why = "\n".join(lines) or f"{type(error).__name__}: {error}"
            started = " ".join((command.program, *command.arguments))
            raise TradeError(
                f"the server did not answer, so nothing was written: {why}", hint=f"it was started as: {started}"
            ) from None


def write(plan: Plan) -> Written | None:
    """Put the entry into the client's file, the old file kept beside it; None if it stood there already.

    Raises BadInput when the file cannot be edited, or has an entry of this name that another hand wrote.
    """
    file = plan.place.file.resolve()
    text = _text(file)
    ours = next((each for each in written() if Path(each.file) == file), None)
    there = _spoken(file, lambda: json_edit.found(text, plan.place.path))
    if there == plan.entry:
        return None
    if there is not None and (ours is None or there != ours.entry):
        raise BadInput(f"{file} has a server {NAME!r} that setup did not write", hint="take it out by hand, then again")
    after = _spoken(file, lambda: json_edit.with_member(text, plan.place.path, plan.entry))
    made = _spoken(file, lambda: json_edit.found(text, plan.place.path[:-1])) is None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        before = None
        if file.exists():
            before = file.with_name(file.name + BACKUP)
            if ours is None:
                shutil.copy2(file, before)
        _replace(file, after)
        record = Written(
            client=plan.client,
            file=str(file),
            path=plan.place.path,
            entry=plan.entry,
            before=None if before is None else str(before),
            made=made,
            after=_hash(after),
        )
        if ours is not None:  # what was there before the first time is what undo goes back to
            record = structs.replace(record, before=ours.before, made=ours.made)
        _keep([*(each for each in written() if Path(each.file) != file), record])
    except OSError as error:
        raise BadInput(f"{file} cannot be written: {error.strerror}", hint="--print shows what to paste") from None
    return record


def undo(client: str | None) -> list[str]:
    """Take back what was written for ``client`` (or for all); a sentence for each file. Raises BadInput."""
    lines = []
    for record in [each for each in written() if client in (None, each.client)]:
        lines.append(_taken_back(record))
        _keep([each for each in written() if each.file != record.file])
    return lines


def written() -> list[Written]:
    """What setup wrote and has not taken back."""
    try:
        return msgspec.json.decode(_records().read_bytes(), type=list[Written])
    except FileNotFoundError:
        return []
    except (OSError, msgspec.DecodeError) as error:
        raise BadInput(f"{_records()} cannot be read: {error}", hint="take the entry out by hand") from None


def _taken_back(record: Written) -> str:
    file, before = Path(record.file), None if record.before is None else Path(record.before)
    if not file.exists():
        return f"{file} is gone already"
    text = _text(file)
    if _hash(text) == record.after:  # nobody has touched it since
        if before is None:
            file.unlink()
            return f"{file} is gone again"
        if before.exists():
            os.replace(before, file)
            return f"{file} is as it was"
    if _spoken(file, lambda: json_edit.found(text, record.path)) != record.entry:
        return f"{file} has another {NAME!r} now: left as it is"
    text = json_edit.without_member(text, record.path)
    if record.made and json_edit.found(text, record.path[:-1]) == {}:
        text = json_edit.without_member(text, record.path[:-1])
    _replace(file, text)
    kept = f"; as it was before is {before}" if before is not None and before.exists() else ""
    return f"{NAME} is out of {file}, which had changed since{kept}"


def _program() -> list[str]:
    """The interpreter with this package; for a passing environment of uvx, the uvx command that makes it again."""
    if not any((parent / "CACHEDIR.TAG").exists() for parent in Path(sys.prefix).parents):
        return [sys.executable, "-P", "-m", "trade_mcp"]  # -P: nothing in the client's folder is taken for a module
    uvx = shutil.which("uvx")
    if uvx is None:
        raise BadInput(
            f"{sys.prefix} is a passing environment", hint="install it: uv tool install trade-mcp; then setup"
        )
    package = distribution("trade-mcp")
    origin = json.loads(package.read_text("direct_url.json") or "{}").get("url", "")
    extras = _extras(package)
    source = f"{origin.removeprefix('file://')}{extras}" if origin else f"trade-mcp{extras}=={package.version}"
    return [uvx, "--python", str(Path(sys.executable).resolve()), "--from", source, "trade-mcp"]


def _extras(package: Distribution) -> str:
    """The extras that are installed whole, as they stand behind a name: "[charts]"; "" for none."""
    needs: dict[str, list[str]] = {}
    for line in package.requires or ():
        if extra := re.search(r"extra == ['\"]([\w-]+)['\"]", line):
            needs.setdefault(extra[1], []).append(re.split(r"[^\w.-]", line, maxsplit=1)[0])
    whole = sorted(extra for extra, names in needs.items() if all(map(_installed, names)))
    return f"[{','.join(whole)}]" if whole else ""


def _installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def _secret(name: str) -> bool:
    """Whether a variable of the environment holds what stands in no file."""
    return SECRET_NAME.search(name) is not None or CREDENTIALS.search(os.environ[name]) is not None


def _records() -> Path:
    return platformdirs.user_config_path(NAME) / "clients.json"


def _keep(records: list[Written]) -> None:
    file = _records()
    if not records:
        file.unlink(missing_ok=True)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    _replace(file, msgspec.json.format(msgspec.json.encode(records), indent=2).decode() + "\n")


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} cannot be read: {error}", hint="--print shows what to paste") from None


def _spoken[T](file: Path, edit: Callable[[], T]) -> T:
    """What an edit answers; its complaint with the file's name."""
    try:
        return edit()
    except BadInput as error:
        raise BadInput(f"{file}: {error.message}", hint=error.hint) from None


def _replace(file: Path, text: str) -> None:
    """The whole new file or the whole old one, with the permissions it had."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(text.encode("utf-8"))
            out.flush()
            os.fsync(out.fileno())
        if file.exists():
            shutil.copymode(file, name)
        os.replace(name, file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
