"""Exit rules: which exits an entry gets that brings none, by its strategy and by how sure that is."""

from collections.abc import Mapping
from decimal import Decimal

from msgspec import Struct, structs

from trade_mcp.domain.distances import Distance
from trade_mcp.domain.exits import ExitPlan


class ExitRules(Struct, frozen=True):
    """``plan`` for everybody; ``targets`` by confidence (0..1, the surest first) in place of its target."""

    plan: ExitPlan
    targets: tuple[tuple[Decimal, Distance], ...] = ()
    strategies: Mapping[str, "ExitRules"] = {}

    def plan_for(self, strategy: str, confidence: float | None = None) -> ExitPlan:
        """The exits of an entry of ``strategy`` with that confidence (None: nobody said one).

        >>> from trade_mcp.domain.distances import parse_distance
        >>> sure = ((Decimal("0.7"), parse_distance("2.6%")), (Decimal("0.4"), parse_distance("1.8%")))
        >>> ExitRules(ExitPlan(), sure).plan_for("any", 0.5).target.fraction
        Decimal('0.018')
        """
        if own := self.strategies.get(strategy):
            return own.plan_for("", confidence)
        if confidence is None:
            return self.plan
        target = next((target for least, target in self.targets if confidence >= least), self.plan.target)
        return structs.replace(self.plan, target=target)
