"""Clients: where each MCP client keeps its servers, and how it wants one written. Nothing here touches a file."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from trade_mcp.domain.errors import BadInput

NAME = "trade-mcp"
CLIENTS = ("claude-desktop", "claude-code", "cursor", "vscode")


class Machine(NamedTuple):
    """What decides the paths: the system, the user's folders, and under WSL those of Windows."""

    system: str  # "linux", "darwin" or "wsl"
    home: Path
    config: Path  # where programs of this system keep their settings
    here: Path
    distribution: str = ""  # of WSL


class Command(NamedTuple):
    """How a client starts the server."""

    program: str
    arguments: tuple[str, ...]
    env: Mapping[str, str]

    def through_windows(self, distribution: str) -> "Command":
        """The same for a client that is a Windows program while the server lives in WSL."""
        inner = ("env", *(f"{name}={value}" for name, value in self.env.items()), self.program, *self.arguments)
        return Command("wsl.exe", ("--distribution", distribution, "--exec", *inner), {})


class Place(NamedTuple):
    """Where a client reads its servers: a file, the way to the server in it, and what makes it read the file anew."""

    file: Path
    path: tuple[str, ...]
    then: str


def place(client: str, machine: Machine) -> Place:
    """Where ``client`` keeps the servers of this user; of Claude Code, of this folder."""
    code = Path("Code") / "User" / "mcp.json"
    match client:
        case "claude-desktop":
            file = machine.config / "Claude" / "claude_desktop_config.json"
            return Place(file, ("mcpServers", NAME), "quit Claude Desktop and open it again")
        case "claude-code":
            return Place(machine.here / ".mcp.json", ("mcpServers", NAME), f"start `claude` in {machine.here}")
        case "cursor":
            file = machine.home / ".cursor" / "mcp.json"
            return Place(file, ("mcpServers", NAME), "Cursor Settings > MCP shows it; restart Cursor if it does not")
        case "vscode":
            return Place(machine.config / code, ("servers", NAME), "`MCP: List Servers` shows it; start it there")
    raise BadInput(f"there is no client {client!r}", hint=f"one of {', '.join(CLIENTS)}")


def entry(client: str, command: Command) -> dict[str, Any]:
    """The server as ``client`` wants it written."""
    kind = {"type": "stdio"} if client in ("vscode", "claude-code") else {}
    return {**kind, "command": command.program, "args": list(command.arguments), "env": dict(command.env)}


def native(client: str, machine: Machine) -> bool:
    """Whether the client runs where the server does; under WSL the others are programs of Windows."""
    return machine.system != "wsl" or client == "claude-code"


def machine_for(client: str) -> Machine:
    """This machine as ``client`` sees it. Raises BadInput where no server of ours can run."""
    home, here = Path.home(), Path.cwd()
    if sys.platform == "darwin":
        return Machine("darwin", home, home / "Library" / "Application Support", here)
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    if not (distribution := os.environ.get("WSL_DISTRO_NAME", "")):
        return Machine("linux", home, config, here)
    if client == "claude-code":
        return Machine("wsl", home, config, here, distribution)
    return Machine("wsl", _windows("USERPROFILE"), _windows("APPDATA"), here, distribution)


def _windows(variable: str) -> Path:
    """A folder that Windows names, as WSL sees it."""
    try:
        said = subprocess.run(["cmd.exe", "/c", f"echo %{variable}%"], capture_output=True, text=True, check=True)
        path = subprocess.run(["wslpath", "-u", said.stdout.strip()], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise BadInput(
            f"Windows does not say where %{variable}% is: {error}",
            hint="WSL must be able to start Windows programs; or use --print and paste it yourself",
        ) from None
    return Path(path.stdout.strip())
