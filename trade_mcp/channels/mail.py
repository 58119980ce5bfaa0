"""Mail: one message over SMTP, encrypted, to every recipient, its pictures inside."""

import asyncio
import ssl
from contextlib import suppress
from email.message import EmailMessage
from email.utils import formataddr, formatdate
from typing import Literal

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)
from msgspec import Struct

from trade_mcp.domain.errors import NotDelivered
from trade_mcp.ports import Message

WITHIN_S = 60.0  # the whole conversation: a server that drips its answer ends as one that says nothing
STEP_S = 20.0
GOODBYE_S = 2.0
TOO_BIG = 552


class Mail(Struct, frozen=True, kw_only=True):
    """A mail server and who writes to whom. ``tls``: "starttls" (587), "tls" (465), "off" for a server of this machine.

    ``ca_file`` is a certificate authority of one's own, beside the system's.
    """

    host: str
    port: int
    tls: Literal["starttls", "tls", "off"]
    sender: str
    to: tuple[str, ...]
    user: str = ""
    password: str = ""
    ca_file: str | None = None
    within_s: float = WITHIN_S

    def __repr__(self) -> str:
        return f"Mail({self.host}:{self.port})"  # the password stands in no log

    def deliver(self, message: Message) -> None:
        """Send to all recipients in one conversation. Raises NotDelivered."""
        if self.user and not self.password:
            raise NotDelivered(
                f"there is no password for {self.user} at {self.host}",
                fault="channel",
                hint="set TRADE_MCP_MAIL_PASSWORD, or keep it in the keyring: trade-mcp setup mail",
            )
        to = message.to or self.to
        refused = asyncio.run(self._sent(_letter(message, self.sender, self.to), to))
        if refused:
            raise self._turned_away(refused, others=len(refused) < len(to))

    async def _sent(self, letter: EmailMessage, to: tuple[str, ...]) -> dict[str, int]:
        """Who was refused, with which answer."""
        server = SMTP(
            hostname=self.host,
            port=self.port,
            timeout=min(STEP_S, self.within_s),
            use_tls=self.tls == "tls",
            start_tls=self.tls == "starttls",
            tls_context=self._trusted(),
            username=self.user or None,
            password=self.password or None,
        )
        try:
            async with asyncio.timeout(self.within_s):
                try:
                    await server.connect()
                    refused, _ = await server.send_message(letter, sender=self.sender, recipients=to)
                except BaseException:
                    server.close()
                    raise
        except SMTPRecipientsRefused as error:
            return {one.recipient: one.code for one in error.recipients}
        except SMTPRecipientRefused as error:
            return {error.recipient: error.code}
        except (SMTPException, OSError, ValueError) as error:  # TimeoutError is an OSError
            raise self._why(error) from None
        with suppress(SMTPException, OSError):  # it has the message: how it says goodbye does not matter
            async with asyncio.timeout(GOODBYE_S):
                await server.quit()
        server.close()
        return {address: response.code for address, response in refused.items()}

    def _turned_away(self, refused: dict[str, int], *, others: bool) -> NotDelivered:
        said = ", ".join(f"{address} ({code})" for address, code in sorted(refused.items()))
        later = any(code < 500 for code in refused.values())
        return NotDelivered(
            f"{self.host} refused {said}" + ("; the others have it" if others else ""),
            fault="passing" if later else "final",
            left=tuple(refused) if others else (),
        )

    def _why(self, error: Exception) -> NotDelivered:
        """What went wrong, without the server's own words: they may hold anything."""
        if (untrusted := _caused(error, ssl.SSLCertVerificationError)) is not None:
            said = f"the certificate of {self.host} is not trusted: {untrusted.verify_message.rstrip('.')}"  # type: ignore[attr-defined]
            return NotDelivered(said, fault="channel", hint="mail.ca_file names an authority of your own")
        if _caused(error, ssl.SSLError) is not None:
            said = f"{self.host}:{self.port} does not speak TLS as {self.tls!r} expects"
            return NotDelivered(said, fault="channel", hint='mail.tls: "starttls" is usual on 587, "tls" on 465')
        match error:
            case SMTPAuthenticationError(code=code):
                said = f"{self.host} does not accept the user and password ({code})"
                return NotDelivered(said, fault="channel", hint="trade-mcp setup mail")
            case SMTPSenderRefused(code=code) if code != TOO_BIG:
                return NotDelivered(f"{self.host} refused the sender {self.sender} ({code})", fault="channel")
            case SMTPDataError(code=code) | SMTPSenderRefused(code=code):
                said = f"{self.host} refused the message ({code})"
                return NotDelivered(said, fault="passing" if code < 500 else "final")
            case SMTPResponseException(code=code):
                return NotDelivered(f"{self.host} answered {code}", fault="channel")
            case TimeoutError():
                return NotDelivered(f"{self.host}:{self.port} did not answer in time", fault="channel")
            case OSError():
                why = "the connection was refused" if _caused(error, ConnectionRefusedError) else _kind(error)
                return NotDelivered(f"{self.host}:{self.port} cannot be reached: {why}", fault="channel")
            case SMTPException(message=said):  # what the client found the server not to offer
                said = f"{self.host}: {said.rstrip('.')}"
                return NotDelivered(said, fault="channel", hint="look at mail.tls and mail.port")
        return NotDelivered(f"the message cannot be sent: {_kind(error)}", fault="final")

    def _trusted(self) -> ssl.SSLContext | None:
        if self.tls == "off":
            return None
        trusted = ssl.create_default_context()
        if self.ca_file:
            try:
                trusted.load_verify_locations(self.ca_file)
            except OSError as error:
                why = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
                said = f"mail.ca_file {self.ca_file} cannot be read: {why}"
                raise NotDelivered(said, fault="channel") from None
        return trusted


def _caused(error: BaseException | None, kind: type[Exception]) -> Exception | None:
    """The error of ``kind`` behind ``error``."""
    while error is not None:
        if isinstance(error, kind):
            return error
        error = error.__cause__ or error.__context__
    return None


def _kind(error: BaseException) -> str:
    return type(error.__cause__ or error).__name__


def _letter(message: Message, sender: str, to: tuple[str, ...]) -> EmailMessage:
    letter = EmailMessage()
    letter["From"] = formataddr(("trade-mcp", sender))
    letter["To"] = ", ".join(to)
    letter["Subject"] = " ".join(message.subject.split())
    letter["Date"] = formatdate(localtime=False)
    letter["Message-ID"] = f"<{message.id}@trade-mcp>"
    letter["Auto-Submitted"] = "auto-generated"  # no holiday answer comes back
    if message.severity == "critical":
        letter["Importance"] = "high"
    letter.set_content(message.text)
    if message.html:
        letter.add_alternative(message.html, subtype="html")
        page = letter.get_payload()[1]  # type: ignore[index]
        for name, picture in message.images.items():
            named = {"cid": f"<{name}>", "filename": f"{name}.png", "disposition": "inline"}  # or some list it below
            page.add_related(picture, "image", "png", **named)  # type: ignore[union-attr]
    return letter
