"""The stream of an exchange: one thread listens through ccxt.pro in its own event loop, a watchdog sees to it.

A stream that fails, says nothing, or stops moving is told of as a trouble, and begun again after a pause; it is over
when it moves again. Prices never depend on it: REST says them meanwhile (`ccxt_prices`).
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from trade_mcp.domain.errors import TradeError, VenueRejected

FIRST_S = 10.0  # real seconds until the first message
LOOK_S = 3.0  # between two looks of the watchdog
PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)  # before a stream that ended is begun again
STEADY_S = 60.0  # after one that lived so long the first of these pauses is enough
CLOSE_S = 3.0
METHODS = (  # capability, method, where ccxt keeps what it heard; the better one first
    ("watchBidsAsks", "watch_bids_asks", "bidsasks"),
    ("watchTickers", "watch_tickers", "tickers"),
)

log = structlog.get_logger(__name__)


class Stream:
    """Listens to ``symbols`` until it is closed.

    ``client`` makes a ccxt.pro client; ``listens`` is told when listening begins and when it ends; ``heard`` takes a
    message and says whether it moved; ``look`` asks over REST what the stream should show.
    """

    def __init__(
        self,
        name: str,
        symbols: tuple[str, ...],
        *,
        client: Callable[[], Any],
        listens: Callable[[bool], None],
        heard: Callable[[str, Mapping[str, Any]], bool],
        look: Callable[[], None],
        boot: Callable[[], float],
    ):
        self._name, self._symbols, self._client = name, symbols, client
        self._listens, self._heard, self._look, self._boot = listens, heard, look, boot
        self.trouble = ""  # why REST has taken over; "" while the stream lives
        self._owes = ""  # the symbol that must move until the trouble is over; "": any
        self._closed = threading.Event()
        self._wake: Callable[[], None] = lambda: None
        self._threads = [
            threading.Thread(target=target, name=f"{what} {name}", daemon=True)
            for what, target in (("stream", self._listen), ("watchdog", self._watch))
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End the threads; what hangs in the network is not waited for."""
        self._closed.set()
        self._wake()
        for thread in self._threads:
            thread.join(CLOSE_S)

    def distrust(self, symbol: str, why: str) -> None:
        """The stream is wrong about ``symbol``: it is begun again, and REST has taken over until it moves."""
        self._told(why, owes=symbol)
        self._wake()

    def _watch(self) -> None:
        while not self._closed.wait(LOOK_S):
            self._look()

    def _listen(self) -> None:
        asyncio.run(self._sessions())

    async def _sessions(self) -> None:
        """One session after the other, with pauses that grow while none lives long."""
        loop, woken = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(woken.set)

        self._wake = wake
        short = 0
        while not self._closed.is_set():
            began = self._boot()
            woken.clear()
            if why := await self._session(woken):
                self._told(why)
            short = 0 if self._boot() - began > STEADY_S else short + 1
            woken.clear()
            if not self._closed.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(woken.wait(), PAUSES_S[min(short, len(PAUSES_S)) - 1])

    async def _session(self, woken: asyncio.Event) -> str:
        """Listen until it fails, is woken, or has said nothing in time; answers what went wrong, "" if it was woken."""
        client, wakes = None, asyncio.ensure_future(woken.wait())
        patience: float | None = FIRST_S
        try:
            client = self._client()
            names = next((names for capability, *names in METHODS if client.has.get(capability)), None)
            if names is None:
                return self._none("there is no stream of bid and ask")
            watch, kept = (getattr(client, name) for name in names)
            self._listens(True)
            while True:
                message = asyncio.ensure_future(watch(list(self._symbols)))
                done, _ = await asyncio.wait({message, wakes}, timeout=patience, return_when="FIRST_COMPLETED")
                if message not in done:
                    message.cancel()
                    return "" if wakes in done else f"it has sent nothing within {FIRST_S:.0f} s"
                patience = None
                message.result()  # names one symbol; what came for others in the same moment is only kept
                for symbol in self._symbols:
                    if symbol in kept and self._heard(symbol, kept[symbol]):
                        self._lives(symbol)
        except VenueRejected as error:
            return self._none(error.message)
        except TradeError as error:
            return error.message
        except Exception as error:  # ccxt and aiohttp fail in many ways, and each of them is only a stream that ended
            return f"{type(error).__name__}: {str(error)[:160]}"
        finally:
            self._listens(False)
            wakes.cancel()
            if client is not None:
                with contextlib.suppress(Exception):  # it is gone either way
                    await asyncio.wait_for(client.close(), CLOSE_S)

    def _none(self, why: str) -> str:
        """This exchange has no stream: REST alone is no trouble, and is said once."""
        log.warning("prices come over REST alone", exchange=self._name, why=why)
        self._closed.set()
        return ""

    def _lives(self, symbol: str) -> None:
        if self.trouble and self._owes in ("", symbol):
            self.trouble = self._owes = ""
            log.info("the price stream is back", exchange=self._name, symbol=symbol)

    def _told(self, why: str, *, owes: str = "") -> None:
        if not self.trouble:
            log.warning("the price stream is gone: REST has taken over", exchange=self._name, why=why)
            self.trouble, self._owes = why, owes
