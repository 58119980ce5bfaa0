"""Supervise: the desk's programs as children of supervisord, started and stopped as one; what they warn of is heard."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from trade_mcp.domain.errors import TradeError

PROGRAMS = (("watcher", "watch", 10), ("loop", "loop", 20), ("server", "serve --http", 30))
KILL_AFTER_S = 15  # a program that does not end on SIGTERM
STOP_WITHIN_S = len(PROGRAMS) * KILL_AFTER_S + 5.0  # supervisord stops one after the other
SUPERVISOR = "supervisord"
_PROGRAM = """
[program:{name}]
command={python} -m trade_mcp {command}{config}
priority={priority}
autorestart=true
startsecs=1
startretries=1000000
stopsignal=TERM
stopwaitsecs={kill_after}
stopasgroup=true
killasgroup=true
redirect_stderr=true
stdout_logfile={logs}/{name}.log
stdout_logfile_maxbytes=20MB
stdout_logfile_backups=2
"""


def supervisor_text(logs: Path, config: Path | None) -> str:
    """The supervisord configuration of the whole desk: the programs of supervisord.conf, their output in ``logs``."""
    quoted = f" --config {_quoted(config.absolute())}" if config is not None else ""
    head = (
        f"[supervisord]\nnodaemon=true\nsilent=true\nlogfile={_percent(logs)}/{SUPERVISOR}.log\n"
        f"logfile_maxbytes=5MB\nlogfile_backups=1\npidfile={_percent(logs)}/supervisord.pid\n"
    )
    return head + "".join(
        _PROGRAM.format(
            name=name,
            command=command,
            priority=priority,
            kill_after=KILL_AFTER_S,
            python=_quoted(sys.executable),
            config=quoted,
            logs=_percent(logs),
        )
        for name, command, priority in PROGRAMS
    )


def _quoted(path: Path | str) -> str:
    return '"' + _percent(path).replace('"', '\\"') + '"'


def _percent(path: Path | str) -> str:
    return str(path).replace("%", "%%")


class Programs:
    """The running programs. Its own process group, so that Ctrl-C reaches us first and we stop them in order."""

    def __init__(self, logs: Path, *, config: Path | None, env: Mapping[str, str]):
        logs.mkdir(parents=True, exist_ok=True)
        self._logs = logs
        self._ends = {name: _size(logs / f"{name}.log") for name in (*(name for name, _, _ in PROGRAMS), SUPERVISOR)}
        conf = logs / "supervisord.conf"
        conf.write_text(supervisor_text(logs, config), "utf-8")
        self._child = subprocess.Popen(
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(conf)],
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def check(self) -> None:
        """Raises TradeError if the supervisor itself is gone."""
        if (code := self._child.poll()) is not None:
            raise TradeError(f"supervisord ended with code {code}", hint=f"its log is {self._logs / 'supervisord.log'}")

    def stop(self) -> None:
        """Stop all of them, first kindly. Raises TradeError if the supervisor does not end."""
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGTERM)
            try:
                self._child.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:  # not killed: that would leave its programs running with nobody over them
                hint = f"see {self._logs / 'supervisord.log'}"
                raise TradeError(f"supervisord (process {self._child.pid}) does not end", hint=hint) from None

    def warnings(self) -> Iterator[str]:
        """New lines of the programs' logs that are warnings or worse, or not a log line at all (a crash).

        Of supervisord's own log, who ended unasked.
        """
        for line in self._new_lines(SUPERVISOR):
            if "exited: " in line:
                yield f"ended unasked and is started again: {line.partition('exited: ')[2]}"
        for name, _, _ in PROGRAMS:
            for line in self._new_lines(name):
                try:
                    said = json.loads(line)
                    level, text = said["level"], said["event"]
                except (ValueError, KeyError, TypeError):
                    yield f"{name}: {line}"
                    continue
                if level in ("warning", "error", "critical"):
                    more = " ".join(f"{key}={said[key]}" for key in ("step", "error", "incident") if key in said)
                    yield f"{name}: {text} {more}".rstrip()

    def _new_lines(self, name: str) -> list[str]:
        path = self._logs / f"{name}.log"
        size = _size(path)
        start = self._ends[name] if size >= self._ends[name] else 0  # rotated
        if size == start:
            return []
        with path.open("rb") as file:
            file.seek(start)
            whole = file.read().rpartition(b"\n")[0]
        self._ends[name] = start + len(whole) + bool(whole)
        return [line for line in whole.decode(errors="replace").splitlines() if line.strip()]


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
