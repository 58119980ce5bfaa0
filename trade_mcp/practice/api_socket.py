"""API socket: ``/ws-api/v3``, the endpoints of REST as messages, and the user's own events.

Each request carries its own key and signature; a session cannot be logged on to, since keys here are HMAC keys.
Methods, their shapes and errors are those of Binance's WebSocket API page.
"""

import json
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from trade_mcp.practice.accounts import Key
from trade_mcp.practice.broadcast import Broadcast, Ear
from trade_mcp.practice.context import Call
from trade_mcp.practice.conversation import Start
from trade_mcp.practice.errors import ApiError
from trade_mcp.practice.faults import REQUEST
from trade_mcp.practice.line import Line
from trade_mcp.practice.params import Params
from trade_mcp.practice.routes import API, READ, SOCKET
from trade_mcp.practice.service import Practice
from trade_mcp.practice.signing import check_signature, check_time, known_key, socket_payload
from trade_mcp.practice.striking import PAGE, Answered, Broken, refusal, strike
from trade_mcp.practice.teller import Event
from trade_mcp.practice.weights import weight_of


class Request(Struct, frozen=True):
    """One message of a client; ``sent`` are its parameters as they were signed."""

    id: str | int | None
    method: str
    sent: dict[str, str]

    @property
    def target(self) -> str:
        """What faults call it."""
        return f"ws {self.method}"


class ApiSocket:
    """One client's requests and subscriptions. ``tells_limits``: answers say what has been used up."""

    def __init__(self, practice: Practice, broadcast: Broadcast, line: Line, *, address: str, tells_limits: bool):
        self._practice, self._context, self._broadcast, self._line = practice, practice.context, broadcast, line
        self._address, self._tells_limits = address, tells_limits
        self._ears: dict[int, tuple[str, Ear]] = {}
        self._last_subscription = -1

    def hear(self, text: str, start: Start) -> None:
        """Answer one message of the client, in its own time."""
        try:
            request = _read(text)
        except ApiError as no:
            self._line.say({"id": None, **self._refusal(no)})
            return
        start(partial(self._answer, request))

    def end(self) -> None:
        for number in list(self._ears):
            self._stop(number)

    async def _answer(self, request: Request) -> None:
        struck = self._context.faults.struck(REQUEST, request.target, self._account(request))
        try:
            await strike((fault for fault in struck if fault.when == "before"), self._practice, address=self._address)
            answer = self.execute(request)
            await strike((fault for fault in struck if fault.when == "after"), self._practice, address=self._address)
        except Broken as broken:
            if broken.reset:
                self._line.cut()
            return
        except Answered as other:
            if other.body is None:
                self._line.say_text(PAGE)
                return
            answer = {"status": other.status, "error": other.body}
        except ApiError as no:
            answer = self._refusal(no)
        if request.sent.get("returnRateLimits", str(self._tells_limits)).lower() == "true":
            answer |= {"rateLimits": self._limits(request)}
        self._line.say({"id": request.id, **answer})

    def execute(self, request: Request) -> dict[str, Any]:
        """What the exchange says, faults aside."""
        try:
            return {"status": 200, "result": self._result(request)}
        except Exception as error:
            return self._refusal(refusal(error, request.target))

    def _result(self, request: Request) -> Any:
        params, name = Params(request.sent), SOCKET.get(request.method, "")
        self._context.limits.spend(self._address, weight_of(name, params))
        if request.method in SESSION:
            return SESSION[request.method](self, request)
        if not name:
            raise ApiError(-1020, "This operation is not supported.")
        route = API[name]
        key = None if route.permission is None else self._signed(request, route.permission)
        self._context.exchange.advance()
        content = route.answer(Call(self._context, params, key=key, at=self._context.market_at(request.target)))
        if route.permission is None:
            params.end()
        return content

    def _signed(self, request: Request, permission: str) -> Key:
        key = known_key(self._context.keys, request.sent.get("apiKey"), permission)
        check_time(request.sent, self._context.exchange.now_ms())
        check_signature(key, socket_payload(request.sent), request.sent.get("signature"))
        return key

    # User streams

    def _subscribe(self, request: Request) -> dict[str, int]:
        account = self._signed(request, READ).account
        if account in (known for known, _ in self._ears.values()):
            raise ApiError(-2035, "User Data Stream subscription already active.")
        self._last_subscription += 1
        number = self._last_subscription
        ear = partial(self._tell, number, account)
        self._ears[number] = account, ear
        self._broadcast.listen(account, ear)
        return {"subscriptionId": number}

    def _unsubscribe(self, request: Request) -> dict[str, Any]:
        said = Params(request.sent).integer("subscriptionId")
        numbers = list(self._ears) if said is None else [said]
        if not numbers or numbers[0] not in self._ears:
            raise ApiError(-2036, "User Data Stream subscription not active.")
        now = self._context.exchange.now_ms()
        for number in numbers:
            self._tell(number, self._ears[number][0], {"e": "eventStreamTerminated", "E": now})
            self._stop(number)
        return {}

    def _subscriptions(self, request: Request) -> list[dict[str, int]]:
        return [{"subscriptionId": number} for number in self._ears]

    def _no_session(self, request: Request) -> Any:
        raise ApiError(-4056, "HMAC_SHA256 API key is not supported.")

    def _tell(self, number: int, account: str, event: Event) -> None:
        self._line.tell(f"user {event['e']}", {"subscriptionId": number, "event": event}, account=account)

    def _stop(self, number: int) -> None:
        self._broadcast.unlisten(*self._ears.pop(number))

    # Answers

    def _refusal(self, no: ApiError) -> dict[str, Any]:
        error = no.body
        if no.retry_after_s:
            now = self._context.exchange.now_ms()
            error = error | {"data": {"serverTime": now, "retryAfter": now + 1000 * no.retry_after_s}}
        return {"status": no.status, "error": error}

    def _limits(self, request: Request) -> list[dict[str, Any]]:
        """What has been used up: weight by this address; orders by this account, if the request is about them."""
        limits, account = self._context.limits, self._account(request)
        recent, day = limits.orders(account) if account else (0, 0)
        used = {"MINUTE": limits.used(self._address), "SECOND": recent, "DAY": day}
        orders = account and request.method.startswith(("order.", "orderList."))
        kinds = {"REQUEST_WEIGHT", "ORDERS"} if orders else {"REQUEST_WEIGHT"}
        known = self._context.exchange.listing.rate_limits
        return [limit | {"count": used[limit["interval"]]} for limit in known if limit["rateLimitType"] in kinds]

    def _account(self, request: Request) -> str:
        return self._context.account_of(request.sent.get("apiKey", ""))


SESSION = {
    "userDataStream.subscribe.signature": ApiSocket._subscribe,
    "userDataStream.unsubscribe": ApiSocket._unsubscribe,
    "session.subscriptions": ApiSocket._subscriptions,
    "session.logon": ApiSocket._no_session,
}


def _read(text: str) -> Request:
    """Raises -1135, -1100."""
    try:
        asked = json.loads(text, parse_int=str, parse_float=str)  # numbers as they were signed
        method, params = str(asked["method"]).removeprefix("v3/"), dict(asked.get("params") or {})
        id_ = msgspec.json.decode(text)["id"]
    except (ValueError, KeyError, TypeError):
        raise ApiError(-1135, "Invalid JSON Request") from None
    return Request(id_, method, {name: _said(value) for name, value in params.items() if value is not None})


def _said(value: Any) -> str:
    """A parameter as it was signed."""
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"))
