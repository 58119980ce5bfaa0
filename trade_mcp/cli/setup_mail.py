"""Set-up of mail: asks, tries it with a real letter, and only then writes it. The password goes into the keyring."""

import os
import sys
import uuid
from pathlib import Path
from typing import Annotated, Any

import typer

from trade_mcp.cli.options import Config, Json, say
from trade_mcp.domain.errors import BadInput, NotDelivered, TradeError

VARIABLE = "TRADE_MCP_MAIL_PASSWORD"
NO_KEYRING = "no keyring here (where there is one: pip install 'trade-mcp[keyring]')"


def mail(
    host: Annotated[str | None, typer.Option(help="The SMTP server, such as smtp.example.org.")] = None,
    port: Annotated[int | None, typer.Option(help="587 for starttls, 465 for tls.")] = None,
    tls: Annotated[str | None, typer.Option(metavar="starttls|tls|off", help="off: a server on this machine.")] = None,
    user: Annotated[str | None, typer.Option(help="Who logs in; empty for nobody.")] = None,
    sender: Annotated[str | None, typer.Option(help="From whom; default: the user.")] = None,
    to: Annotated[list[str] | None, typer.Option(help="To whom; more than once for several.")] = None,
    every: Annotated[str | None, typer.Option(help='A report by mail so often in market time: "2h"; "off".')] = None,
    test: Annotated[bool, typer.Option("--test", help="Send a letter as it is set up; write nothing.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Set up mail for alerts and reports: asks what is not given, sends a letter, writes [mail] and [reports].

    The password is asked for (or taken from TRADE_MCP_MAIL_PASSWORD) and kept in the keyring of the operating system
    where there is one, never in a file.

    \b
    Examples:
      trade-mcp setup mail
      trade-mcp setup mail --host smtp.example.org --user me@example.org --to me@example.org --every 2h
      trade-mcp setup mail --test
    """
    from trade_mcp.settings import load_settings
    from trade_mcp.settings.secrets import keep_secret

    if test:
        settings = load_settings(config)
        if settings.mail.host is None:
            raise BadInput("mail is not set up", hint="trade-mcp setup mail")
        _try(settings.channels()["mail"])
        say({"sent": True}, f"a letter went to {', '.join(settings.mail.to)}", as_json=as_json)
        return
    tls = tls or _asked("Encryption (starttls, tls, off)", host is not None, default="starttls")
    given: dict[str, Any] = {
        "host": host or _asked("SMTP server", False),
        "tls": tls,
        "port": port or int(_asked("Port", host is not None, default="465" if tls == "tls" else "587")),
        "user": user if user is not None else _asked("User", host is not None, default=""),
        "to": to or [part.strip() for part in _asked("To (commas between)", False).split(",")],
    }
    given["sender"] = sender or given["user"] or given["to"][0]
    password = os.environ.get(VARIABLE) or (_secret("Password") if given["user"] else "")
    checked = load_settings(config, overrides={"mail": given | {"password": password or None}})
    _try(checked.channels()["mail"])
    file = _file(config)
    tables: dict[str, dict[str, Any]] = {"mail": {key: value for key, value in given.items() if value}}
    if every is not None:
        tables["reports"] = {"every": every}
        load_settings(config, overrides={"reports": {"every": None if every == "off" else every}})
    write(file, tables)
    kept = not password or bool(os.environ.get(VARIABLE)) or keep_secret("mail_password", password)
    lines = [f"a letter went to {', '.join(given['to'])}", f"{file.absolute()} has [mail] now"]
    if password:
        lines.append("the password is kept" if kept else f"{NO_KEYRING}: set {VARIABLE} where the programs start")
    lines.append("programs that run read it when they start again")
    say({"sent": True, "file": str(file.absolute()), "password_kept": kept}, "\n".join(lines), as_json=as_json)


def write(file: Path, tables: dict[str, dict[str, Any]]) -> None:
    """Put ``tables`` into the settings file; its comments, its order and everything else stay. A value "off" goes."""
    import tomlkit

    document = tomlkit.parse(file.read_text("utf-8")) if file.exists() else tomlkit.document()
    for name, values in tables.items():
        table = document.setdefault(name, tomlkit.table())
        for key, value in values.items():
            if value == "off" and key == "every":
                table.pop(key, None)
            else:
                table[key] = value
    fresh = file.with_name(f".{file.name}.{uuid.uuid4().hex[:8]}")
    try:
        fresh.write_text(tomlkit.dumps(document), "utf-8")
        fresh.replace(file)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise BadInput(f"{file} cannot be written: {error.strerror}", hint="choose another with --config") from None


def _try(channel: Any) -> None:
    from trade_mcp.ports import Message

    text = "This desk can reach you. Alerts and reports will come this way."
    try:
        channel.deliver(Message(uuid.uuid4().hex, "trade-mcp: mail works", text))
    except NotDelivered as error:
        raise TradeError(f"nothing was written: {error.message}", hint="mend it and try again") from None


def _asked(what: str, quiet: bool, *, default: str | None = None) -> str:
    if quiet and default is not None:
        return default
    if not sys.stdin.isatty():
        raise BadInput(f"{what} is not given", hint="give it as an option: trade-mcp setup mail --help")
    return str(typer.prompt(what, default=default))


def _secret(what: str) -> str:
    if not sys.stdin.isatty():
        raise BadInput(f"{what} is not given", hint=f"set {VARIABLE}")
    return str(typer.prompt(what, hide_input=True))


def _file(config: Path | None) -> Path:
    from trade_mcp.settings.sources import FILE, config_file

    return config or config_file(None) or Path(FILE)
