"""Mail: one message over SMTP, encrypted, to every recipient, its pictures inside."""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.utils import formataddr, formatdate
from typing import Literal

from msgspec import Struct

from trade_mcp.domain.errors import NotDelivered
from trade_mcp.ports import Message

TIMEOUT_S = 15.0  # for every step of the conversation


class Mail(Struct, frozen=True, kw_only=True):
    """A mail server and who writes to whom. ``tls``: "starttls" (587), "tls" (465), "off" for a server of this machine.

    ``ca_file`` is a certificate authority of one's own, beside the system's.
    """

    name = "mail"
    host: str
    port: int
    tls: Literal["starttls", "tls", "off"]
    sender: str
    to: tuple[str, ...]
    user: str = ""
    password: str = ""
    ca_file: str | None = None
    timeout_s: float = TIMEOUT_S

    def deliver(self, message: Message) -> None:
        """Send to all recipients in one conversation. Raises NotDelivered; ``retry`` says whether later may help."""
        letter = self._letter(message)
        try:
            with self._connected() as server:
                refused = server.send_message(letter)
        except (smtplib.SMTPException, OSError) as error:
            raise self._why(error) from None
        if refused:
            raise NotDelivered(f"{self.host} refused {', '.join(sorted(refused))}; the others have it", retry=False)

    def _why(self, error: Exception) -> NotDelivered:
        """What went wrong, without the server's own words: they may hold anything."""
        match error:
            case ssl.SSLCertVerificationError():
                return NotDelivered(
                    f"the certificate of {self.host} is not trusted: {error.verify_message}", retry=True
                )
            case smtplib.SMTPAuthenticationError():
                said = f"{self.host} does not accept the user and password ({error.smtp_code})"
                return NotDelivered(said, retry=False)
            case smtplib.SMTPRecipientsRefused():
                passing = all(code < 500 for code, _ in error.recipients.values())
                return NotDelivered(f"{self.host} refused every recipient", retry=passing)
            case smtplib.SMTPResponseException():
                return NotDelivered(f"{self.host} answered {error.smtp_code}", retry=error.smtp_code < 500)
        return NotDelivered(f"{self.host}:{self.port} could not be reached: {type(error).__name__}", retry=True)

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        trusted = ssl.create_default_context()
        if self.ca_file:
            trusted.load_verify_locations(self.ca_file)
        server: smtplib.SMTP
        if self.tls == "tls":
            server = smtplib.SMTP_SSL(self.host, self.port, timeout=self.timeout_s, context=trusted)
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=self.timeout_s)
        with server:
            if self.tls == "starttls":
                server.starttls(context=trusted)
            if self.user:
                server.login(self.user, self.password)
            yield server

    def _letter(self, message: Message) -> EmailMessage:
        letter = EmailMessage()
        letter["From"] = formataddr(("trade-mcp", self.sender))
        letter["To"] = ", ".join(self.to)
        letter["Subject"] = " ".join(message.subject.split())
        letter["Date"] = formatdate(localtime=False)
        letter["Message-ID"] = f"<{message.id}@trade-mcp>"
        letter.set_content(message.text)
        if message.html:
            letter.add_alternative(message.html, subtype="html")
            page = letter.get_payload()[1]  # type: ignore[index]
            for name, picture in message.images.items():
                page.add_related(picture, "image", "png", cid=f"<{name}>", filename=f"{name}.png")  # type: ignore[union-attr]
        return letter
