"""Logs: one line per happening, to stderr alone (stdout is the MCP protocol), JSON unless a person is watching."""

import logging
import os
import re
import sys
import uuid
from collections.abc import Iterable, MutableMapping
from typing import Any

_rich = sys.modules.get("rich", ...)
sys.modules.setdefault("rich", None)  # type: ignore[arg-type]  # structlog would load it for tracebacks: 0.12 s of every start
import structlog  # noqa: E402

if _rich is ...:
    del sys.modules["rich"]

SECRET_NAME = re.compile(r"(token|secret|password|passphrase|api_?key|authorization|model_key|exchange_key)$", re.I)
HIDDEN = "[hidden]"
_secrets: set[str] = set()


def configure(program: str, *, json: bool | None = None) -> None:
    """Send all logs of this process to stderr, each line with ``program``; the standard library's logs too.

    ``json`` None: what TRADE_MCP_LOG_JSON says, else JSON unless stderr is a terminal.
    """
    if json is None:
        said = os.environ.get("TRADE_MCP_LOG_JSON", "").lower()
        json = said in ("1", "true", "yes") if said else not sys.stderr.isatty()
    hide(value for name, value in os.environ.items() if name.startswith("TRADE_MCP_") and SECRET_NAME.search(name))
    first: list[Any] = [
        lambda _logger, _method, line: {"program": program, **line},
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Any] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        *([structlog.processors.format_exc_info] if json else []),
        _redact,
        structlog.processors.JSONRenderer(default=str)
        if json
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        ),
    ]
    structlog.configure(
        processors=[
            *first,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=last, foreign_pre_chain=first))
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(logging.INFO)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger; ``name`` says which part of the program speaks."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def hide(secrets: Iterable[str]) -> None:
    """Never print these values again, wherever they stand in a line."""
    _secrets.update(secret for secret in secrets if len(secret) >= 6)


def incident(what: str, error: BaseException, **fields: object) -> str:
    """Log an error nobody foresaw with its traceback, and return the id by which a person finds it in the log."""
    number = uuid.uuid4().hex[:8]
    get_logger("incident").error(what, incident=number, error=str(error), exc_info=error, **fields)
    return number


def _redact(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in line.items():
        if SECRET_NAME.search(key):
            line[key] = HIDDEN
        elif isinstance(value, str):
            for secret in _secrets:
                value = value.replace(secret, HIDDEN)
            line[key] = value
    return line
