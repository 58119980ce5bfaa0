"""Settings: flags over environment over one TOML file over defaults, checked whole before anything starts.

An unknown name is refused with the nearest known one. [limits] come from the file alone: an environment variable
somebody forgot must not loosen a limit. Secrets come from the environment alone: a file gets copied around.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from trade_mcp.settings.complaints import complaint
from trade_mcp.settings.sections import Settings
from trade_mcp.settings.sources import Layer, as_environment, config_file, from_environment, from_file, merged

__all__ = ["Settings", "as_environment", "config_file", "load_settings"]

NOTHING: Mapping[str, Any] = {}


def load_settings(
    config: Path | None = None, *, env: Mapping[str, str] = os.environ, overrides: Mapping[str, Any] = NOTHING
) -> Settings:
    """The settings of ``overrides`` (nested by section), ``env`` and the file ``config``, in that order.

    Without ``config``: ./trade-mcp.toml, else the user's config folder, else defaults. Raises BadConfig, which names
    every wrong setting, where it was set, what was expected, and the nearest known name.
    """
    file = config_file(config)
    layers = [Layer("command line", overrides), Layer("environment", from_environment(env))]
    if file is not None:
        layers.append(Layer(str(file), from_file(file)))
    try:
        settings = Settings.model_validate(merged(layers))
    except ValidationError as error:
        raise complaint(error, layers) from None
    settings.check_prices()
    settings.check_strategies()
    _ = settings.policy  # [limits] are judged now, not at the first order
    return settings
