"""Set-up: the desk made known to an MCP client, or taken out of it again."""

import json
from pathlib import Path
from typing import Annotated

import typer

from trade_mcp.cli import setup_mail
from trade_mcp.cli.clients import CLIENTS
from trade_mcp.cli.options import Config, Json, say
from trade_mcp.domain.errors import BadInput

app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)


@app.callback()
def setup(
    context: typer.Context,
    client: Annotated[str | None, typer.Option(metavar="|".join(CLIENTS), help="Which client.")] = None,
    show: Annotated[bool, typer.Option("--print", help="Print the configuration; write nothing.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take back what setup wrote: for --client, or for all.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Write the desk into an MCP client's configuration. With absolute paths, after trying it out.

    The other servers in the file, and its formatting, stay; the file as it was is kept beside it. Secrets are never
    written. Claude Code gets a .mcp.json in this folder.

    \b
    Examples:
      trade-mcp setup --client claude-desktop
      trade-mcp setup --client vscode --print
      trade-mcp setup --undo
    """
    if context.invoked_subcommand is not None:
        return
    if client is not None and client not in CLIENTS:
        raise BadInput(f"there is no client {client!r}", hint=f"one of {', '.join(CLIENTS)}")
    if undo:
        _undo(client, as_json=as_json)
    elif client is None:
        raise BadInput("set up what?", hint=f"--client {'|'.join(CLIENTS)}, or trade-mcp setup --help")
    elif show:
        _print(client, config, as_json=as_json)
    else:
        _write(client, config, as_json=as_json)


@app.command()
def settings(
    show: Annotated[bool, typer.Option("--print", help="Print them; write nothing.")] = False,
) -> None:
    """Write trade-mcp.toml into this folder: every setting with its default and its unit, all commented out.

    \b
    Example:
      trade-mcp setup settings
    """
    text, file = example(), Path("trade-mcp.toml")
    if show:
        print(text, end="")
        return
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        raise BadInput(f"{file.absolute()} is there already", hint="--print shows the defaults") from None
    except OSError as error:
        raise BadInput(f"{file.absolute()} cannot be written: {error.strerror}", hint="go to another folder") from None
    print(f"{file.absolute()} is written; every line in it is a default until you change it")


def example() -> str:
    """trade-mcp.example.toml: inside the wheel, or at the top of the repository."""
    package = Path(__file__).parents[1]
    wheel = package / "_example.toml"
    return (wheel if wheel.is_file() else package.parent / "trade-mcp.example.toml").read_text("utf-8")


def _write(client: str, config: Path | None, *, as_json: bool) -> None:
    from trade_mcp.cli import setup_client

    plan = setup_client.planned(client, config)
    status = setup_client.try_out(plan.command)
    record = setup_client.write(plan)
    file = str(plan.place.file)
    lines = [
        f"{file} has the server already" if record is None else f"written to {file}",
        f"tried out: get_status answered, trading is {status.get('state', 'unknown')}",
        f"next: {plan.place.then}",
    ]
    if record is not None and record.before is not None:
        lines.insert(1, f"as it was before: {record.before}; back to it: trade-mcp setup --undo")
    lines += [f"not written, because it is a secret: {name}" for name in plan.left_out]
    answer = {
        "client": client,
        "file": file,
        "written": record is not None,
        "backup": record.before if record else None,
        "entry": plan.entry,
        "left_out": list(plan.left_out),
    }
    say(answer, "\n".join(lines), as_json=as_json)


def _print(client: str, config: Path | None, *, as_json: bool) -> None:
    from trade_mcp.cli import setup_client

    plan = setup_client.planned(client, config)
    whole: object = plan.entry
    for name in reversed(plan.place.path):
        whole = {name: whole}
    text = json.dumps(whole, indent=2, ensure_ascii=False)
    if client == "claude-code":
        text += f"\n\nfor every folder: claude mcp add-json --scope user trade-mcp '{json.dumps(plan.entry)}'"
    answer = {"client": client, "file": str(plan.place.file), "configuration": whole, "left_out": list(plan.left_out)}
    say(answer, f"{text}\n\nfor {plan.place.file}", as_json=as_json)


def _undo(client: str | None, *, as_json: bool) -> None:
    from trade_mcp.cli import setup_client

    lines = setup_client.undo(client)
    say({"undone": lines}, "\n".join(lines) or "setup has written nothing that is still there", as_json=as_json)


app.command()(setup_mail.mail)
