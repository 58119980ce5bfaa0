"""Real servers for messages: SMTP with TLS and passwords, HTTP; each can be told to misbehave."""

import asyncio
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from server.serving import free_port


class Letters:
    """What an SMTP server got. ``refuse`` says with which answer it turns an address away."""

    def __init__(self) -> None:
        self.got: list[Envelope] = []
        self.refuse: dict[str, str] = {}
        self.sender = self.answer = "250 OK"
        self.hang_s = self.goodbye_s = 0.0
        self.logins: list[bytes] = []

    async def handle_MAIL(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any) -> str:
        if self.sender.startswith("250"):
            envelope.mail_from = address
        return self.sender

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        await asyncio.sleep(self.hang_s)
        if self.answer.startswith("250"):
            self.got.append(envelope)
        return self.answer

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        await asyncio.sleep(self.goodbye_s)
        return "221 Bye"

    def login(self, server: SMTP, session: Session, envelope: Envelope, how: str, data: LoginPassword) -> AuthResult:
        self.logins.append(data.login)
        known = (data.login, data.password) == (b"me", b"a-good-password")
        return AuthResult(success=known, handled=known)


class Encrypted(Controller):
    """A server that speaks TLS from the first byte, and still wants the password."""

    def factory(self) -> SMTP:
        return SMTP(self.handler, auth_require_tls=False, **self.SMTP_kwargs)


@contextmanager
def smtp(
    folder: Path, letters: Letters, *, host: str = "127.0.0.1", tls: str = "starttls", certified: str = ""
) -> Iterator[tuple[int, Path]]:
    """A server with TLS and a password; its port, and the file of the authority that signed its certificate."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(certified or host).configure_cert(context)
    file = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(file))
    port, login = free_port(), {"authenticator": letters.login, "auth_required": True}
    server: Controller
    match tls:
        case "starttls":
            server = Controller(letters, hostname=host, port=port, tls_context=context, require_starttls=True, **login)
        case "tls":
            server = Encrypted(letters, hostname=host, port=port, ssl_context=context, **login)
        case _:
            server = Controller(letters, hostname=host, port=port)
    server.start()
    try:
        yield port, file
    finally:
        server.stop()


class Hook:
    """What an HTTP server got; ``status`` is what it answers."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.status = 204
        self.hang_s = 0.0


@contextmanager
def http(hook: Hook, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """A web server that takes JSON, with TLS if a context is given; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            time.sleep(hook.hang_s)
            if hook.status < 300:
                hook.got.append(json.loads(body))
            self.send_response(hook.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http{'' if context is None else 's'}://127.0.0.1:{server.server_address[1]}/a-secret-path"
    finally:
        server.shutdown()
