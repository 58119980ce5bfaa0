"""Remote: the control port from outside, for the command line and for tests."""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from trade_mcp.domain.errors import BadInput, TradeError

type Answer = dict[str, Any]


class Remote:
    """A running exchange's control port at ``url``. Every method raises BadInput for what the exchange refuses."""

    def __init__(self, url: str, *, timeout_s: float = 10.0):
        self.url, self._http = url, httpx.Client(base_url=url, timeout=timeout_s, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def status(self) -> Answer:
        return self._ask("GET", "/status")

    def books(self, account: str) -> Answer:
        """Every order and trade of an account."""
        return self._ask("GET", f"/books/{account}")

    def faults(self) -> Sequence[Answer]:
        """The faults in force, with how often each was met and struck."""
        found: Sequence[Answer] = self._ask("GET", "/faults")["faults"]
        return found

    def add(self, *faults: Mapping[str, Any]) -> list[int]:
        """Put faults in force; their numbers."""
        numbers: list[int] = self._ask("POST", "/faults", {"faults": list(faults)})["numbers"]
        return numbers

    def clear(self, number: int | None = None) -> None:
        """Take one fault back, or all."""
        self._ask("DELETE", "/faults" if number is None else f"/faults/{number}")

    def set_speed(self, speed: float) -> Answer:
        return self._ask("POST", "/market", {"speed": speed})

    def move_on(self, seconds: float) -> Answer:
        """Let market time pass at once."""
        return self._ask("POST", "/market", {"move_s": seconds})

    def transfer(self, account: str, asset: str, amount: str) -> Answer:
        """A deposit, or below 0 a withdrawal."""
        return self._ask("POST", "/transfers", {"account": account, "asset": asset, "amount": amount})

    def set_symbol(self, symbol: str, status: str) -> Answer:
        """TRADING, HALT or BREAK."""
        return self._ask("POST", "/symbols", {"symbol": symbol, "status": status})

    def add_account(self, account: str) -> Answer:
        """KEY:SECRET:USDT=10000, as ``--account``."""
        return self._ask("POST", "/accounts", {"account": account})

    def pardon(self) -> None:
        """Lift every ban."""
        self._ask("POST", "/pardon")

    def kill(self) -> None:
        """kill -9 of the exchange's process."""
        try:
            self._http.post("/kill", json={})
        except httpx.TransportError:
            return
        raise TradeError("the exchange was told to die, and answered")

    def _ask(self, method: str, path: str, content: Mapping[str, Any] | None = None) -> Answer:
        headers = {"content-type": "application/json"}
        try:
            answer = self._http.request(method, path, json=content, headers=headers)
            found: Answer = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            hint = "start it with: trade-mcp practice; --control-port names another port"
            raise TradeError(f"no practice exchange answers at {self.url}: {error}", hint=hint) from error
        if answer.status_code != 200:
            raise BadInput(found.get("error", str(found)), hint=found.get("hint", ""))
        return found
