"""Manual: docs/tools.md, written from the tools themselves. ``python -m trade_mcp.server.manual > docs/tools.md``."""

import json
from typing import Any

from trade_mcp.server import strict
from trade_mcp.server.tool import Entry
from trade_mcp.server.tools import TOOLSETS

HEAD = """\
# Tools

What a model sees of the desk, toolset by toolset. Written from the code by
`uv run python -m trade_mcp.server.manual > docs/tools.md`; do not edit by hand.

Prices, sizes and money travel as strings ("0.01"), times in UTC. Arguments that a tool does not know, or of another
type, are refused with the nearest name. Every answer says `mode`, `feed`, `synthetic` (where prices are made up) and
`as_of` (market time). A refusal is a result with `is_error` and the verdicts of the rules that said no. `[server]
toolsets` and `read_only` in the configuration choose what is served.
"""


def page() -> str:
    """The whole page."""
    total = sum(tokens(entry) for tools in TOOLSETS.values() for entry in tools)
    parts = [HEAD, f"The whole list costs a model about {total:,} tokens (characters / 4).\n"]
    for toolset, tools in TOOLSETS.items():
        parts.append(f"## {toolset}\n")
        parts += [_section(entry) for entry in tools]
    return "\n".join(parts)


def schema(entry: Entry) -> dict[str, Any]:
    """The input schema of ``entry``."""
    return strict.schema_of(strict.arguments_of(entry.takes or entry.run))


def tokens(entry: Entry) -> int:
    """What ``entry`` costs in a list of tools: characters of name, description and input schema, divided by four."""
    compact = json.dumps(schema(entry), separators=(",", ":"))
    return round(len(entry.name + entry.manual + compact) / 4)


def _section(entry: Entry) -> str:
    traits = ["leaves files" if entry.keeps else "reads only"] if entry.reads else ["changes the book"]
    if entry.reads is False and entry.repeatable:
        traits.append("safe to repeat")
    lines = [f"### `{entry.name}`\n", f"*{entry.title}; {', '.join(traits)}.*\n", entry.manual, ""]
    properties, required = schema(entry)["properties"], schema(entry).get("required", [])
    if properties:
        lines += ["| argument | type | |", "|---|---|---|"]
        lines += [_row(name, told, name in required) for name, told in properties.items()]
        lines.append("")
    return "\n".join(lines)


def _row(name: str, told: dict[str, Any], required: bool) -> str:
    kind = "list of strings" if told["type"] == "array" else told["type"]
    choices = ", ".join(f"`{choice}`" for choice in told.get("enum", ()))
    words = [word for word in (told.get("description", ""), choices) if word]
    return f"| `{name}`{' (required)' if required else ''} | {kind} | {': '.join(words)} |"


if __name__ == "__main__":
    print(page(), end="")
