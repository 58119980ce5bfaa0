"""Installed: which code is on the disk now, to be held against the code a program was started with."""

import os
from collections.abc import Iterator
from functools import cache, lru_cache
from hashlib import sha256

import trade_mcp

FRESH_S = 5  # a digest of the disk is trusted for so long: it costs some milliseconds


@cache
def running_code() -> str:
    """The code of this process, as of its start: the version, and a digest of every source file of the package."""
    return f"{trade_mcp.__version__}+{_digest()}"


def installed_code(boot_s: float) -> str:
    """The code on the disk at boot time ``boot_s``. An edited checkout and another wheel differ from what runs."""
    return _installed(int(boot_s // FRESH_S))


@lru_cache(maxsize=1)
def _installed(_: int) -> str:
    return f"{trade_mcp.__version__}+{_digest()}"


def _digest() -> str:
    (root,) = trade_mcp.__path__
    found = sha256()
    for path in sorted(_sources(root)):
        found.update(path.removeprefix(root).encode())
        with open(path, "rb", buffering=0) as file:
            found.update(file.read())
    return found.hexdigest()[:12]


def _sources(folder: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".py"):
                yield entry.path
            elif entry.is_dir() and entry.name != "__pycache__":
                yield from _sources(entry.path)
