"""An exchange that fills every order at once, in the time it takes to answer: what is measured is the desk and ccxt.

``POST /api/v3/order`` is answered here, from a template; everything else goes to the practice exchange behind it.
argv: port, port of the practice exchange, price.
"""

import asyncio
import itertools
import sys
from urllib.parse import parse_qsl

ANSWER = (
    '{{"symbol":"{symbol}","orderId":{number},"orderListId":-1,"clientOrderId":"{newClientOrderId}",'
    '"transactTime":{timestamp},"price":"0.00000000","origQty":"{quantity}","executedQty":"{quantity}",'
    '"cummulativeQuoteQty":"1.00000000","status":"FILLED","timeInForce":"GTC","type":"{type}","side":"{side}",'
    '"fills":[{{"price":"{price}","qty":"{quantity}","commission":"0.01","commissionAsset":"USDT",'
    '"tradeId":{number}}}]}}'
)
HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n"


class Stub(asyncio.Protocol):
    """One client's connection."""

    numbers = itertools.count(1)

    def __init__(self, behind: int, price: str):
        self._behind, self._price = behind, price
        self._heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._tasks: set[asyncio.Task[None]] = set()

    def data_received(self, data: bytes) -> None:
        self._heard += data
        while (end := self._heard.find(b"\r\n\r\n")) >= 0:
            head, size = self._heard[:end].lower(), 0
            if (at := head.find(b"content-length:")) >= 0:
                size = int(head[at + 15 :].split(b"\r\n", 1)[0])
            whole = end + 4 + size
            if len(self._heard) < whole:
                return
            request, self._heard = self._heard[:whole], self._heard[whole:]
            if request.startswith(b"POST /api/v3/order "):
                asked = dict(parse_qsl(request[end + 4 :].decode()))
                body = ANSWER.format(number=next(self.numbers), price=self._price, **asked)
                self._transport.write((HEAD.format(size=len(body)) + body).encode())  # type: ignore[attr-defined]
            else:
                task = asyncio.ensure_future(self._ask_behind(request))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _ask_behind(self, request: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._behind)
        head, _, body = request.partition(b"\r\n\r\n")
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
        writer.write(b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n" + body)
        answer = await reader.read()
        self._transport.write(answer.replace(b"connection: close\r\n", b""))  # type: ignore[attr-defined]
        writer.close()


async def main() -> None:
    port, behind, price = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    server = await asyncio.get_running_loop().create_server(lambda: Stub(behind, price), "127.0.0.1", port)
    print("up", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
