"""Drafts: the order that a request means now, with the instrument, the price and the desk's own exits."""

from trade_mcp.desk.market import Market
from trade_mcp.desk.resolve import resolve
from trade_mcp.desk.send import SEND_WITHIN
from trade_mcp.domain.exit_rules import ExitRules
from trade_mcp.domain.market import Quote
from trade_mcp.domain.order import Order, OrderRequest, Source
from trade_mcp.ports import Clock


class Drafts:
    """Resolves requests. ``rules`` have the stop of entries that bring none."""

    def __init__(self, market: Market, *, rules: ExitRules, clock: Clock):
        self._market, self._rules, self._clock = market, rules, clock

    def order(self, request: OrderRequest, source: Source, *, quote: Quote | None) -> Order:
        """The order that ``request`` means. Raises BadInput for what makes no sense."""
        default = self._rules.plan_for(request.strategy)
        ranges = default.needs_range or (request.exits is not None and request.exits.needs_range)
        return resolve(
            request,
            source,
            instrument=self._market.instrument(request.symbol),
            quote=quote,
            default=default,
            average_range=self._market.average_range(request.symbol) if ranges else None,
            now=self._clock.market(),
            real=self._clock.real(),
            send_within=SEND_WITHIN,
        )
