"""The limits in force, how the file's differ, and taking the file's over."""

import json
from typing import TYPE_CHECKING, Any

import typer

from trade_mcp.cli import person
from trade_mcp.cli.options import Config, Json, desk, say
from trade_mcp.office.plain import plain

if TYPE_CHECKING:
    from trade_mcp.app import App

app = typer.Typer(
    help="The limits in force. The first program on a ledger writes its own; changes in [limits] wait to be adopted.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def show(config: Config = None, as_json: Json = False) -> None:
    """Print the limits in force, each with its unit.

    \b
    Example:
      trade-mcp policy show --json
    """
    from trade_mcp.risk.policy import LIMITS

    with desk(config, "policy") as opened:
        book = opened.log.refresh()
        values = _decoded(book.policy_text)
        lines = [f"policy {book.policy}"]
        lines += [f"  {key:22} {_shown(values[key]):14} {LIMITS[key].title} ({LIMITS[key].unit})" for key in LIMITS]
        waiting = _changes(opened)
        if waiting:
            lines.append(f"{len(waiting)} changed in the file; see: trade-mcp policy diff")
        say({"policy": book.policy, "limits": values, "file_differs": bool(waiting)}, "\n".join(lines), as_json=as_json)


@app.command()
def diff(config: Config = None, as_json: Json = False) -> None:
    """Print where [limits] of the file differ from the limits in force.

    \b
    Example:
      trade-mcp policy diff
    """
    with desk(config, "policy") as opened:
        changes = _changes(opened)
        lines = [f"  {key}: {_shown(before)} in force, {_shown(after)} in the file" for key, before, after in changes]
        text = (
            "\n".join([*lines, "take over with: trade-mcp policy adopt"]) if lines else "the file says what is in force"
        )
        answer = [{"key": key, "in_force": before, "file": after} for key, before, after in changes]
        say({"changes": answer}, text, as_json=as_json)


@app.command()
def adopt(config: Config = None, as_json: Json = False) -> None:
    """Put the file's [limits] in force, for every program on this ledger. On a live desk it asks for the passphrase.

    \b
    Example:
      trade-mcp policy adopt
    """
    with desk(config, "policy") as opened:
        changes = _changes(opened)
        if changes:
            person.passphrase(opened, "policy adopt")
            opened.adopt_policy(by="operator")
        book = opened.log.refresh()
        lines = [f"  {key}: {_shown(before)} -> {_shown(after)}" for key, before, after in changes]
        text = "\n".join([f"policy {book.policy} is in force", *lines] if lines else ["nothing to adopt"])
        answer = [{"key": key, "before": before, "after": after} for key, before, after in changes]
        say({"policy": book.policy, "changes": answer}, text, as_json=as_json)


def _changes(opened: "App") -> list[tuple[str, Any, Any]]:
    return [(key, plain(before), plain(after)) for key, before, after in opened.policy_changes()]


def _decoded(text: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(text)
    return values


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value or "none")
