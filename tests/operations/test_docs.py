"""docs/operations.md names commands, options, files and sections that exist."""

import re

import typer

from operations.wheels import ROOT
from trade_mcp.cli.commands import app
from trade_mcp.settings import Settings

TEXT = (ROOT / "docs" / "operations.md").read_text("utf-8")
CODE = "\n".join(block or word for block, word in re.findall(r"```sh\n(.*?)```|`([^`\n]+)`", TEXT, re.S))
CODE = re.sub(r"\s#.*", "", CODE)
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def test_every_command_and_option_that_is_named_exists() -> None:
    for name, rest in re.findall(r"(?<![\w./-])trade-mcp ([a-z][a-z-]*)([^|&\n]*)", CODE):
        assert name in COMMANDS, name
        options = {option for parameter in COMMANDS[name].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= options | {"--config", "--json"}, (name, rest)


def test_every_link_leads_somewhere() -> None:
    titles = re.findall(r"^#+ (.*)$", TEXT, re.M)
    anchors = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        file, _, anchor = target.partition("#")
        assert not file or (ROOT / "docs" / file).exists(), target
        assert file or anchor in anchors, target


def test_every_setting_that_is_named_exists() -> None:
    for section, key in re.findall(r"\[(\w+)\] (\w+)", CODE):
        assert key in Settings.model_fields[section].annotation.model_fields, (section, key)  # type: ignore[union-attr]
