"""Listening: a socket to serve on, and whether an address is this machine's alone."""

import errno
import ipaddress
import socket

from trade_mcp.domain.errors import BadInput


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to ``host:port``. Raises BadInput that says what is in the way."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise BadInput(f"{host!r} is no address to listen on: {error}", hint="127.0.0.1, or 0.0.0.0 for all") from None
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            hint = "another server runs there already (then point the client at it), or choose one with --port"
            raise BadInput(f"port {port} on {host} is in use", hint=hint) from None
        raise BadInput(
            f"cannot listen on {host}:{port}: {error.strerror}", hint="choose another --host or --port"
        ) from None
    return listener


def is_local(host: str) -> bool:
    """Whether nobody but this machine reaches ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bracketed(host: str) -> str:
    """As it stands in an address."""
    return f"[{host}]" if ":" in host else host
