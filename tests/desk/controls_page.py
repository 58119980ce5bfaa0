"""The page about the controls: each with its key, its default, what it applies to, and the tests that prove it."""

from desk.control_cases import BRAKES, CASES, ELSEWHERE, LOOP, NOT_THE_LOOP
from trade_mcp.domain.events import TradingState
from trade_mcp.risk.brakes import EQUITY_BRAKES, RELEASES
from trade_mcp.risk.policy import LIMITS, Policy
from trade_mcp.risk.rules import RULES

HEAD = """# The controls

Made from the code and its tests. Every order, whoever asks, is judged by every control that applies to it: **E**
entries, **R** reductions, **C** cancels, **L** loosened stops. Limits are set in `[limits]` alone, taken over by
`trade-mcp policy adopt`, and shown with their use by `trade-mcp risk` and the tool `get_risk`.

A control is proven by a test from a real MCP client and one from the loop that it refuses, and by orders just inside
the limit that pass. They are in tests/desk/test_controls.py, one case for each control:

- *client*: `test_a_client_is_refused_beyond_a_limit_and_served_inside`
- *cause*: the same, and `test_without_its_cause_the_same_order_passes`
- *loop*: `test_the_loop_is_refused_by_the_same_rule`, `test_the_loop_enters_when_nothing_is_in_the_way`
- *brake*: `test_a_brake_refuses_a_client_and_says_what_clears_it`, `test_just_inside_a_brake_a_client_is_served`
- *braked loop*: `test_the_same_brake_refuses_the_loop`, `test_just_inside_a_brake_the_loop_enters`

| control | key and default | applies to | from a client | from the loop |
|---|---|---|---|---|
"""
BRAKES_HEAD = """
## Brakes

Brakes hold over restarts. Those on equity trip at the second of two fresh marks that both reach the limit: one wick
never does it (tests/desk/test_brakes.py). `reducing` leaves reductions and cancels, `halted` cancels and protective
reductions.

| brake | key and default | effect | released by | from a client | from the loop |
|---|---|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    client = {case.rule: "*client*" if case.inside is not None else "*cause*" for case in CASES} | ELSEWHERE
    loop = dict.fromkeys(LOOP, "*loop*") | NOT_THE_LOOP
    rows = [_row(rule.name, _keys(rule.name), _applies(rule), client[rule.name], loop[rule.name]) for rule in RULES]
    brakes = [_row(name, _keys(name), _effect(name), RELEASES[name], "*brake*", "*braked loop*") for name in BRAKES]
    return HEAD + "".join(rows) + BRAKES_HEAD + "".join(brakes)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |\n"


def _keys(control: str) -> str:
    found = [f"`{key}` {_default(key)}" for key, limit in LIMITS.items() if limit.rule == control]
    return ", ".join(found) or "-"


def _default(key: str) -> str:
    value = getattr(Policy(), key)
    if key == "allow":
        return "the configured symbols"
    if value in ((), {}) or (LIMITS[key].off and value == 0):
        return "none" if value in ((), {}) else "off"
    return str(value).lower()


def _applies(rule: object) -> str:
    letters = {"entry": "E", "reduce": "R", "cancel": "C", "loosen": "L"}
    return " ".join(letter for name, letter in letters.items() if getattr(rule, name))


def _effect(name: str) -> str:
    effects = {brake.name: brake.effect for brake in EQUITY_BRAKES} | {"rejections": TradingState.HALTED}
    return effects[name].value


if __name__ == "__main__":
    print(page(), end="")
