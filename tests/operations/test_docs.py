"""The pages for whoever runs a desk name commands, options, files, settings and sections that exist."""

import re

import pytest
import typer

from operations.wheels import ROOT
from trade_mcp.cli.commands import app
from trade_mcp.settings import Settings

DOCS = ROOT / "docs"
PAGES = ("operations.md", "health.md", "mail.md")
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]

each_page = pytest.mark.parametrize("page", PAGES)


def text(page: str) -> str:
    return (DOCS / page).read_text("utf-8")


def code(page: str) -> str:
    found = "\n".join(block or word for block, word in re.findall(r"```sh\n(.*?)```|`([^`\n]+)`", text(page), re.S))
    return re.sub(r"\s#.*", "", found)


def anchors(page: str) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", text(page), re.M)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


@each_page
def test_every_command_and_option_that_is_named_exists(page: str) -> None:
    for name, rest in re.findall(r"(?<![\w./-])trade-mcp ([a-z][a-z-]*)([^|&\n]*)", code(page)):
        assert name in COMMANDS, name
        inner = getattr(COMMANDS[name], "commands", {})
        below = [command for word, command in inner.items() if re.match(rf"\s+{word}\b", rest)]
        options = {option for each in (COMMANDS[name], *below) for one in each.params for option in one.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= options | {"--config", "--json"}, (name, rest)


@each_page
def test_every_link_leads_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", text(page)):
        file, _, anchor = target.partition("#")
        assert not file or (DOCS / file).exists(), target
        assert not anchor or anchor in anchors(file or page), target


@each_page
def test_every_setting_that_is_named_exists(page: str) -> None:
    for section, key in re.findall(r"\[(\w+)\] (\w+)", code(page)):
        assert key in Settings.model_fields[section].annotation.model_fields, (section, key)  # type: ignore[union-attr]
