"""Mail: a report's page as a mail carries it: the pictures beside the page, named by their content ids."""

import re
from base64 import b64decode

from msgspec import Struct

from trade_mcp.reports.html import EMBEDDED

PICTURE = re.compile(rf'src="{re.escape(EMBEDDED)}([A-Za-z0-9+/=]+)"')


class Mailed(Struct, frozen=True):
    """``html`` shows ``images`` (PNG) as ``cid:name``."""

    html: str
    images: dict[str, bytes]


def mail_of(html: str) -> Mailed:
    """The page ``html`` with its embedded pictures taken out."""
    images: dict[str, bytes] = {}

    def beside(picture: re.Match[str]) -> str:
        name = f"chart-{len(images) + 1}"
        images[name] = b64decode(picture[1])
        return f'src="cid:{name}"'

    return Mailed(PICTURE.sub(beside, html), images)
