"""Webhook: one message as JSON to an address, in the shape that Slack, Discord or Telegram read, or plain."""

import asyncio
import logging
from typing import Any, Literal

from msgspec import Struct

from trade_mcp.domain.errors import NotDelivered
from trade_mcp.ports import Message

WITHIN_S = 15.0  # connecting, sending and the whole answer
LONGEST = {"slack": 3000, "discord": 2000, "telegram": 4096, "plain": 10_000}  # characters they take
NOT_AS_IT_IS = (400, 413, 415, 422)  # answers about this message; all others are about the address

Shape = Literal["plain", "slack", "discord", "telegram"]


class Webhook(Struct, frozen=True, kw_only=True):
    """An address that takes JSON. The address is a secret: it stands in no error and no log. ``chat`` is Telegram's."""

    url: str
    shape: Shape
    chat: str = ""
    within_s: float = WITHIN_S

    def __repr__(self) -> str:
        return f"Webhook({self.shape})"

    def deliver(self, message: Message) -> None:
        """Post it. Raises NotDelivered."""
        asyncio.run(self._posted(self.body(message)))

    async def _posted(self, body: dict[str, Any]) -> None:
        import httpx  # only where a webhook is set

        logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log the address
        try:
            async with asyncio.timeout(self.within_s), httpx.AsyncClient(timeout=self.within_s) as client:
                answer = await client.post(self.url, json=body)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            late = isinstance(error, TimeoutError | httpx.TimeoutException)
            why = "did not answer in time" if late else f"cannot be reached: {type(error).__name__}"
            raise NotDelivered(f"the webhook {why}", fault="channel") from None
        if not answer.is_success:
            fault: Literal["final", "channel"] = "final" if answer.status_code in NOT_AS_IT_IS else "channel"
            raise NotDelivered(f"the webhook answered {answer.status_code}", fault=fault)

    def body(self, message: Message) -> dict[str, Any]:
        """The JSON in this shape."""
        said, longest = f"{message.subject}\n\n{message.text}", LONGEST[self.shape]
        if self.shape == "slack":  # what others wrote must call nobody: <!channel>
            said = said.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        if len(said) > longest:
            said = f"{said[: longest - 1]}…"
        match self.shape:
            case "slack":
                return {"text": said}
            case "discord":
                return {"content": said, "allowed_mentions": {"parse": []}}
            case "telegram":
                return {"chat_id": self.chat, "text": said, "disable_web_page_preview": True}
        return {"id": message.id, "severity": message.severity, "subject": message.subject, "text": message.text}
