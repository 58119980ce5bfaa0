"""Where settings come from: the TOML file, the environment, the command line, and how one covers the other."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import platformdirs

from trade_mcp.domain.errors import BadConfig
from trade_mcp.settings.complaints import nearest
from trade_mcp.settings.sections import APP, Settings

FILE = f"{APP}.toml"
PREFIX = "TRADE_MCP_"
TOKEN = "TRADE_MCP_SERVER_TOKEN"
SECRETS = {  # the only way in for what may not stand in a file
    ("server", "token"): TOKEN,
    ("desk", "exchange_key"): "TRADE_MCP_EXCHANGE_KEY",
    ("desk", "exchange_secret"): "TRADE_MCP_EXCHANGE_SECRET",
    ("desk", "exchange_passphrase"): "TRADE_MCP_EXCHANGE_PASSPHRASE",
    ("desk", "exchange_url"): "TRADE_MCP_EXCHANGE_URL",
    ("mail", "password"): "TRADE_MCP_MAIL_PASSWORD",
    ("alerts", "webhook_url"): "TRADE_MCP_ALERTS_WEBHOOK_URL",
    ("health", "ping_url"): "TRADE_MCP_PING_URL",
}
PATHS = (("desk", "data_dir"), ("feed", "data"), ("paper", "instruments"), ("mail", "ca_file"), ("logs", "file"))


class Layer(NamedTuple):
    """Settings of one origin, nested by section; ``origin`` is said in complaints."""

    origin: str
    values: Mapping[str, Any]


def config_file(config: Path | None) -> Path | None:
    """The file to read, or None for defaults. Raises BadConfig if ``config`` is named and not there."""
    if config is not None:
        if not config.is_file():
            raise BadConfig(f"there is no configuration file {config}", hint=f"copy {APP}.example.toml and edit it")
        return config
    for candidate in (Path(FILE), platformdirs.user_config_path(APP) / FILE):
        if candidate.is_file():
            return candidate
    return None


def from_file(file: Path) -> dict[str, Any]:
    """The tables of a TOML file; relative paths in it are relative to it. Raises BadConfig with the line."""
    try:
        values = tomllib.loads(file.read_text("utf-8"), parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise BadConfig(
            f"{file} is not TOML: {error}", hint='text needs quotes: timeframe = "5m"; sections look like [desk]'
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig(f"{file} cannot be read: {error}", hint="it must be a readable UTF-8 text file") from None
    for (section, key), variable in SECRETS.items():
        if isinstance(table := values.get(section), dict) and key in table:
            raise BadConfig(
                f"{file}: {section}.{key} may not be in a file", hint=f"set the environment variable {variable}"
            )
    for section, key in PATHS:
        table = values.get(section)
        if isinstance(table, dict) and key in table:
            table[key] = _beside(file, table[key])
    strategies = values.get("strategies")
    for table in strategies.values() if isinstance(strategies, dict) else ():
        if isinstance(table, dict) and "file" in table:
            table["file"] = _beside(file, table["file"])
    return values


def _beside(file: Path, value: object) -> object:
    if isinstance(value, list):
        return [_beside(file, each) for each in value]
    return str(file.absolute().parent / Path(value).expanduser()) if isinstance(value, str) else value


def from_environment(env: Mapping[str, str]) -> dict[str, Any]:
    """What TRADE_MCP_SECTION__KEY variables say. Raises BadConfig for [limits], and for a name that is no section."""
    values: dict[str, Any] = {}
    for name in sorted(env):
        if not name.startswith(PREFIX) or name in SECRETS.values():
            continue
        section, *keys = name.removeprefix(PREFIX).lower().split("__")
        if section == "limits" or section.startswith("limits_"):
            raise BadConfig(
                f"{name}: the environment never overrides [limits]",
                hint=f"change [limits] in {FILE}, then run: {APP} policy adopt",
            )
        if not keys:
            for known in Settings.model_fields:
                if section.startswith(f"{known}_"):
                    wanted = f"{PREFIX}{known}__{section.removeprefix(f'{known}_')}".upper()
                    raise BadConfig(f"{name} sets nothing", hint=f"two underscores part section and key: {wanted}")
            continue  # another program's variable, or a secret read elsewhere
        if section not in Settings.model_fields:
            raise BadConfig(
                f"{name}: there is no section [{section}]", hint=nearest(section, tuple(Settings.model_fields))
            )
        if (section, *keys) in SECRETS:
            raise BadConfig(f"{name} is not read", hint=f"it is set by {SECRETS[section, keys[0]]}")
        table = values
        for key in (section, *keys[:-1]):
            table = table.setdefault(key, {})
        table[keys[-1]] = _value(env[name], typed=section == "strategies")
    for (section, key), variable in SECRETS.items():
        if said := env.get(variable):
            values.setdefault(section, {})[key] = said
    return values


def _value(text: str, *, typed: bool) -> object:
    """Lists and tables travel as JSON (and all that is ``typed``), the rest as it stands; empty means unset."""
    if typed or text[:1] in ("[", "{"):
        try:
            return json.loads(text, parse_float=Decimal)
        except ValueError:
            pass  # plain text after all
    return text or None


def as_environment(overrides: Mapping[str, Any]) -> dict[str, str]:
    """The variables by which a child process gets the same ``overrides``; what is None is left out."""
    return {
        f"{PREFIX}{section}__{key}".upper(): json.dumps([str(each) for each in value])
        if isinstance(value, list | tuple)
        else str(value)
        for section, table in overrides.items()
        for key, value in table.items()
        if value is not None
    }


def merged(layers: Sequence[Layer]) -> dict[str, Any]:
    """One nested table of all layers; the first to say something wins, a None says nothing."""
    result: dict[str, Any] = {}
    for layer in layers:
        _fill(result, layer.values)
    return result


def _fill(result: dict[str, Any], values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if isinstance(value, Mapping):
            inner = result.setdefault(key, {})
            if isinstance(inner, dict):
                _fill(inner, value)
        elif value is not None:
            result.setdefault(key, value)
