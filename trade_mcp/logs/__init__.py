"""Logs: one line per happening, to stderr (stdout is the MCP protocol) and to a file if one is set.

JSON unless a person is watching. Every line names its program; lines of one tool call share a ``call``, lines about one
order its ``order_id``, in whichever program they are written.
"""

import logging
import os
import sys
import threading
import uuid
from pathlib import Path
from typing import Any

_rich = sys.modules.get("rich", ...)
sys.modules.setdefault("rich", None)  # type: ignore[arg-type]  # structlog would load it for tracebacks: 0.12 s of every start
import structlog  # noqa: E402

if _rich is ...:
    del sys.modules["rich"]

from trade_mcp.logs.orders import FIELDS  # noqa: E402
from trade_mcp.logs.redact import SECRET_NAME, hide, redacted, without_secrets  # noqa: E402
from trade_mcp.logs.stderr import Stderr  # noqa: E402

__all__ = ["configure", "get_logger", "hide", "incident", "redacted", "to_file"]


def configure(program: str, *, mode: str = "", json: bool | None = None) -> None:
    """Send all logs of this process to stderr, each line with ``program`` and ``mode``; the standard library's too.

    ``json`` None: what TRADE_MCP_LOG_JSON says, else JSON unless stderr is a terminal.
    """
    if json is None:
        said = os.environ.get("TRADE_MCP_LOG_JSON", "").lower()
        json = said in ("1", "true", "yes") if said else not sys.stderr.isatty()
    hide(value for name, value in os.environ.items() if name.startswith("TRADE_MCP_") and SECRET_NAME.search(name))
    structlog.configure(
        processors=[
            *_first(program, mode),
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler: logging.Handler
    try:
        handler = Stderr(sys.stderr.fileno())
    except (OSError, AttributeError):  # captured, or none
        handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(program, mode, json=json))
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(logging.INFO)
    threading.excepthook = lambda args: _broke(args.exc_value, args.thread)


def to_file(program: str, path: Path, *, mode: str = "", max_mb: float, keep: int) -> None:
    """Write every line to ``path`` as well, as JSON; the programs of a desk may share one. Raises OSError."""
    from trade_mcp.logs.rotation import SharedFile

    path.parent.mkdir(parents=True, exist_ok=True)
    handler = SharedFile(path, max_bytes=int(max_mb * 1_000_000), keep=keep)
    handler.setFormatter(_formatter(program, mode, json=True))
    logging.root.addHandler(handler)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger; ``name`` says which part of the program speaks."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def incident(what: str, error: BaseException, **fields: object) -> str:
    """Log an error nobody foresaw with its traceback, and return the id by which a person finds it in the log."""
    number = uuid.uuid4().hex[:8]
    get_logger("incident").error(what, incident=number, error=str(error), exc_info=error, **fields)
    return number


def _first(program: str, mode: str) -> list[Any]:
    here = {"program": program, "pid": os.getpid()} | ({"mode": mode} if mode else {})
    return [
        lambda _logger, _method, line: {**here, **line},
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _formatter(program: str, mode: str, *, json: bool) -> logging.Formatter:
    last: list[Any] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        *([structlog.processors.format_exc_info] if json else []),
        lambda _logger, _method, line: without_secrets(line),
        structlog.processors.JSONRenderer(default=str)
        if json
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        ),
        lambda _logger, _method, text: redacted(text),  # last: whatever stands in the line, and wherever
    ]
    before = [structlog.stdlib.ExtraAdder(allow=FIELDS), *_first(program, mode)]
    return structlog.stdlib.ProcessorFormatter(processors=last, foreign_pre_chain=before)


def _broke(error: BaseException | None, thread: threading.Thread | None) -> None:
    if error is not None:
        incident("a thread broke", error, thread=thread.name if thread else "")
