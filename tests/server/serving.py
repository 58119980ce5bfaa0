"""A real server process on a ledger of its own, and a real MCP client that speaks to it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp import Client, StdioServerParameters
from mcp_types import CallToolResult, Tool

Answer = dict[str, Any]


class Caller:
    """Tools called one after the other over one connection."""

    def __init__(self, portal: BlockingPortal, client: Client):
        self._portal, self._client = portal, client

    def tools(self) -> list[Tool]:
        return self._portal.call(self._client.list_tools).tools

    def resources(self) -> set[str]:
        """Addresses and address templates of what can be read."""
        fixed = self._portal.call(self._client.list_resources).resources
        made = self._portal.call(self._client.list_resource_templates).resource_templates
        return {str(one.uri) for one in fixed} | {one.uri_template for one in made}

    def read(self, uri: str) -> Answer:
        """A resource's JSON."""
        (content,) = self._portal.call(self._client.read_resource, uri).contents
        found: Answer = json.loads(content.text)  # type: ignore[union-attr]
        return found

    def prompts(self) -> list[str]:
        return [prompt.name for prompt in self._portal.call(self._client.list_prompts).prompts]

    def prompt(self, name: str, **arguments: str) -> str:
        (message,) = self._portal.call(self._client.get_prompt, name, arguments).messages
        return message.content.text  # type: ignore[union-attr]

    def raw(self, tool: str, **arguments: Any) -> CallToolResult:
        return self._portal.call(self._client.call_tool, tool, arguments)

    def followed(self, tool: str, on_progress: Callable[..., Awaitable[None]], **arguments: Any) -> Answer:
        """The answer of a tool that says how far it has come."""
        answer = self._portal.call(
            lambda: self._client.call_tool(tool, arguments, progress_callback=on_progress)  # type: ignore[arg-type]
        )
        assert not answer.is_error, answer.content
        return body(answer)

    def __call__(self, tool: str, **arguments: Any) -> Answer:
        """The answer of a tool that is to succeed."""
        answer = self.raw(tool, **arguments)
        assert not answer.is_error, answer.content
        return body(answer)

    def refused(self, tool: str, **arguments: Any) -> Answer:
        """The answer of a tool that is to refuse."""
        answer = self.raw(tool, **arguments)
        assert answer.is_error, answer.content
        return body(answer)


def body(answer: CallToolResult) -> Answer:
    shown: Answer = json.loads(answer.content[0].text)  # type: ignore[union-attr]
    assert shown == answer.structured_content
    return shown


@contextlib.contextmanager
def connected(server: StdioServerParameters | str, *, mode: str = "auto") -> Iterator[Caller]:
    with start_blocking_portal() as portal:
        client = Client(server, mode=mode, read_timeout_seconds=30)
        with portal.wrap_async_context_manager(client):
            yield Caller(portal, client)


def environment(folder: Path, **more: str) -> dict[str, str]:
    """The environment of a desk in ``folder`` that nothing of this machine's configuration reaches, nor its servers."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("TRADE_MCP_")}
    alone = {
        "TRADE_MCP_DESK__DATA_DIR": str(folder / "desk"),
        "TRADE_MCP_SERVER__PORT": str(free_port()),
        "XDG_CONFIG_HOME": str(folder),
    }
    return ours | alone | more


def serve(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "trade_mcp", "serve", *arguments]


def over_stdio(folder: Path, **more: str) -> StdioServerParameters:
    program, *arguments = serve()
    return StdioServerParameters(command=program, args=arguments, env=environment(folder, **more), cwd=folder)


class Served:
    """A server process over HTTP, on a port of its own."""

    def __init__(self, folder: Path, *arguments: str, **more: str):
        self.folder, self._arguments, self._more = folder, arguments, more
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/mcp"
        self.start()

    def start(self) -> None:
        self._log = (self.folder / "stderr").open("wb")
        command = serve("--http", "--port", str(self.port), *self._arguments)
        env = environment(self.folder, **self._more)
        self.process = subprocess.Popen(command, env=env, cwd=self.folder, stderr=self._log)
        until(lambda: reachable(self.port) or self.process.poll() is not None)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send ``how`` and answer the exit code."""
        self.process.send_signal(how)
        code = self.process.wait(timeout=10)
        self._log.close()
        return code

    @property
    def said(self) -> str:
        return (self.folder / "stderr").read_text("utf-8")


def until(done: Callable[[], bool], *, within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def reachable(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
