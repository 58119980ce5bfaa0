"""Webhook: one message as JSON to an address, in the shape that Slack, Discord or Telegram read, or plain."""

from typing import Any, Literal

from msgspec import Struct

from trade_mcp.domain.errors import NotDelivered
from trade_mcp.ports import Message

TIMEOUT_S = 10.0
LONGEST = {"slack": 3000, "discord": 2000, "telegram": 4096, "plain": 10_000}  # characters they take

Shape = Literal["plain", "slack", "discord", "telegram"]


class Webhook(Struct, frozen=True, kw_only=True):
    """An address that takes JSON. The address is a secret: it stands in no error and no log. ``chat`` is Telegram's."""

    name = "webhook"
    url: str
    shape: Shape
    chat: str = ""
    timeout_s: float = TIMEOUT_S

    def deliver(self, message: Message) -> None:
        """Post it. Raises NotDelivered; 408, 429 and 5xx may pass, other answers will not."""
        import httpx  # only where a webhook is set: it costs a start 0.1 s

        try:
            answer = httpx.post(self.url, json=self.body(message), timeout=self.timeout_s, follow_redirects=False)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotDelivered(f"the webhook could not be reached: {type(error).__name__}", retry=True) from None
        if not answer.is_success:
            passing = answer.status_code in (408, 429) or answer.status_code >= 500
            raise NotDelivered(f"the webhook answered {answer.status_code}", retry=passing)

    def body(self, message: Message) -> dict[str, Any]:
        """The JSON in this shape."""
        said = f"{message.subject}\n{message.text}"[: LONGEST[self.shape]]
        match self.shape:
            case "slack":
                return {"text": said}
            case "discord":
                return {"content": said, "allowed_mentions": {"parse": []}}
            case "telegram":
                return {"chat_id": self.chat, "text": said, "disable_web_page_preview": True}
        return {"id": message.id, "severity": message.severity, "subject": message.subject, "text": message.text}
