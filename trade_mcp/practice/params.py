"""Params: what was sent with a request, read strictly: whatever is sent and not read is an error (-1104)."""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from trade_mcp.practice.errors import ApiError, illegal, missing, too_precise

DIGITS = 8  # decimals a price or a quantity may have at all
CLIENT_ID = "^[a-zA-Z0-9-_]{1,36}$"
SIGNED = frozenset({"timestamp", "recvWindow", "signature", "apiKey", "returnRateLimits"})


class Params:
    """Names and texts of one request. An empty text counts as not sent for what is optional, as malformed else."""

    def __init__(self, sent: Mapping[str, str]):
        self._sent = sent
        self._read: set[str] = {name for name in sent if name in SIGNED}

    def text(self, name: str) -> str | None:
        self._read.add(name)
        if name in self._sent and not self._sent[name]:
            raise ApiError(-1105, f"Parameter '{name}' was empty.")
        return self._sent.get(name)

    def has(self, name: str) -> bool:
        return name in self._sent

    def need(self, name: str) -> str:
        found = self._sent.get(name)
        self._read.add(name)
        if not found:
            raise missing(name)
        return found

    def decimal(self, name: str) -> Decimal | None:
        """An amount above zero. More than eight decimals are too many (-1111)."""
        said = self.text(name)
        if said is None:
            return None
        try:
            number = Decimal(said) if re.fullmatch(r"[0-9]{1,20}(\.[0-9]{1,20})?", said) else None
        except InvalidOperation:
            number = None
        if number is None:
            raise illegal(name, r"^([0-9]{1,20})(\.[0-9]{1,20})?$")
        exponent = number.as_tuple().exponent
        if isinstance(exponent, int) and -exponent > DIGITS and number != round(number, DIGITS):
            raise too_precise(name)
        return number

    def integer(self, name: str) -> int | None:
        said = self.text(name)
        if said is None:
            return None
        if not re.fullmatch(r"-?[0-9]{1,18}", said):
            raise illegal(name, "^[0-9]{1,20}$")
        return int(said)

    def count(self, name: str, usual: int, most: int) -> int:
        """A number of rows: ``usual`` if none is said, ``most`` if more are."""
        said = self.integer(name)
        if said is not None and said < 1:
            raise illegal(name, "^[0-9]{1,20}$")
        return usual if said is None else min(said, most)

    def choice(self, name: str, known: Mapping[str, object] | frozenset[str], error: ApiError) -> str | None:
        said = self.text(name)
        if said is not None and said not in known:
            raise error
        return said

    def client_id(self, name: str) -> str | None:
        said = self.text(name)
        if said is not None and not re.fullmatch(CLIENT_ID, said):
            raise illegal(name, CLIENT_ID)
        return said

    def end(self) -> None:
        """Raises -1104 if something was sent that nobody reads."""
        if unread := self._sent.keys() - self._read:
            sent, read = len(self._sent), len(self._sent) - len(unread)
            raise ApiError(
                -1104, f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'."
            )
