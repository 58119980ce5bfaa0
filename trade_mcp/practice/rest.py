"""REST: one request in, one answer out. Costs are counted first, then who asks and when, then the endpoint decides.

Faults that strike a request happen around all this: before it is executed, or after, when only its answer is lost.
"""

from typing import Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct

from trade_mcp.practice.connection import break_off
from trade_mcp.practice.context import Call
from trade_mcp.practice.errors import ApiError
from trade_mcp.practice.faults import REQUEST
from trade_mcp.practice.params import Params
from trade_mcp.practice.routes import find
from trade_mcp.practice.service import Practice
from trade_mcp.practice.signing import check_signature, check_time, known_key, without_signature
from trade_mcp.practice.striking import PAGE, Answered, Broken, refusal, strike
from trade_mcp.practice.weights import weight_of

MOST_BYTES = 1 << 20  # of a request's body
JSON = "application/json;charset=UTF-8"


class Asked(Struct, frozen=True):
    """A request as it came."""

    method: str
    path: str
    query: str
    form: str
    key: str
    address: str

    @property
    def target(self) -> str:
        """What faults call it."""
        return f"{self.method} {self.path}"


class Reply(Struct, frozen=True):
    status: int
    body: bytes
    headers: dict[str, str]
    kind: str = JSON


class Rest:
    """The ASGI application of every REST endpoint."""

    def __init__(self, practice: Practice):
        self._practice, self._context = practice, practice.context

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        asked = await _read(scope, receive)
        struck = self._context.faults.struck(REQUEST, asked.target, self._context.account_of(asked.key))
        try:
            await strike((fault for fault in struck if fault.when == "before"), self._practice, address=asked.address)
            reply = self.answer(asked)
            await strike((fault for fault in struck if fault.when == "after"), self._practice, address=asked.address)
        except Broken as broken:
            await break_off(scope, receive, reset=broken.reset)
            return
        except Answered as other:
            reply = self._other(asked, other)
        except ApiError as no:
            reply = self._refusal(asked, no)
        await _send(send, reply)

    def answer(self, asked: Asked) -> Reply:
        """What the exchange says, faults aside."""
        try:
            content = self._execute(asked)
        except Exception as error:
            return self._refusal(asked, refusal(error, asked.target))
        return Reply(200, msgspec.json.encode(content), self._counts(asked))

    def _execute(self, asked: Asked) -> Any:
        found, sent = find(asked.method, asked.path), _sent(asked)
        params = Params(sent)
        self._context.limits.spend(asked.address, 1 if found is None else weight_of(found[0], params))
        if found is None:
            raise ApiError(-1000, f"There is no {asked.target} here.", status=404)
        _, route = found
        key = None
        if route.permission is not None:
            key = known_key(self._context.keys, asked.key, route.permission)
            check_time(sent, self._context.exchange.now_ms())
            check_signature(key, without_signature(asked.query + asked.form), sent.get("signature"))
        self._context.exchange.advance()
        content = route.answer(Call(self._context, params, key=key, at=self._context.market_at(asked.target)))
        if route.permission is None:  # the others have looked before they acted
            params.end()
        return content

    def _other(self, asked: Asked, other: Answered) -> Reply:
        if other.body is None:
            return Reply(other.status, PAGE.encode(), self._counts(asked), "text/html")
        return Reply(other.status, msgspec.json.encode(other.body), self._counts(asked))

    def _refusal(self, asked: Asked, no: ApiError) -> Reply:
        headers = {"retry-after": str(no.retry_after_s)} if no.retry_after_s else {}
        return Reply(no.status, msgspec.json.encode(no.body), headers | self._counts(asked))

    def _counts(self, asked: Asked) -> dict[str, str]:
        """What has been used up, as every answer tells."""
        limits = self._context.limits
        used = str(limits.used(asked.address))
        headers = {"x-mbx-used-weight": used, "x-mbx-used-weight-1m": used}
        if asked.method == "POST" and (account := self._context.account_of(asked.key)):
            recent, day = limits.orders(account)
            headers |= {"x-mbx-order-count-10s": str(recent), "x-mbx-order-count-1d": str(day)}
        return headers


async def _read(scope: Any, receive: Any) -> Asked:
    body, more = b"", True
    while more and len(body) <= MOST_BYTES:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    key = next((value for name, value in scope["headers"] if name == b"x-mbx-apikey"), b"")
    return Asked(
        scope["method"],
        scope["path"],
        scope["query_string"].decode("latin-1"),
        body.decode("latin-1"),
        key.decode("latin-1"),
        scope["client"][0] if scope["client"] else "",
    )


def _sent(asked: Asked) -> dict[str, str]:
    """Parameters of form and query; what is in both is the query's. Raises -1101 for one that comes twice in one."""
    return _parsed(asked.form) | _parsed(asked.query)


def _parsed(raw: str) -> dict[str, str]:
    pairs = parse_qsl(raw, keep_blank_values=True)
    sent = dict(pairs)
    if len(sent) < len(pairs):
        raise ApiError(-1101, "Duplicate values for a parameter detected.")
    return sent


async def _send(send: Any, reply: Reply) -> None:
    headers = {"content-type": reply.kind, "content-length": str(len(reply.body)), **reply.headers}
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": encoded})
    await send({"type": "http.response.body", "body": reply.body})
