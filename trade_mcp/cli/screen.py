"""Screen: what the desk does, looked up once and shown three ways: as lines, as a table that refreshes, as JSON."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trade_mcp.office.plain import plain
from trade_mcp.store import history, memory

if TYPE_CHECKING:
    from rich.console import RenderableType

    from trade_mcp.app import App

DECISIONS = 8  # shown
Seen = dict[str, Any]


def look(app: "App", warnings: Sequence[str]) -> Seen:
    """Everything the screen shows, as plain values."""
    from trade_mcp.domain.events import Alarm

    health, worth = app.health(), app.portfolio()
    decisions = memory.decisions(app.engine, limit=40)
    acts = [d for d in decisions if d.action not in ("none", "hold")][: DECISIONS // 2]
    newest = [d for d in decisions[: len(app.market.symbols)] if d not in acts]
    alarms = history.events(app.engine, (Alarm,), last=3)
    seen: Seen = {
        "mode": health.mode,
        "feed": health.feed,
        "synthetic": health.synthetic,
        "timeframe": app.market.timeframe,
        "market_at": health.market_at.replace(microsecond=0),
        "speed": "max" if app.clock.mode == "max" else f"{app.clock.speed:g}",
        "state": health.state,
        "currency": worth.currency,
        "equity": worth.equity,
        "cash": worth.cash,
        "realised": worth.realised,
        "unrealised": worth.unrealised,
        "fees": worth.fees,
        "positions": [
            {
                "symbol": held.symbol,
                "size": held.size,
                "entry": held.entry,
                "mark": held.mark,
                "stop": held.stop,
                "target": held.target,
                "owner": held.owner,
                "unrealised": held.unrealised,
            }
            for held in worth.positions
            if not held.dust
        ],
        "decisions": [
            {"at": d.at, "symbol": d.symbol, "action": d.action, "reason": d.reason} for d in (*newest, *acts)
        ][:DECISIONS],
        "problems": list(health.problems),
        "alarms": [alarm.text for alarm in alarms if isinstance(alarm, Alarm)],
        "warnings": list(warnings),
        "address": f"http://{app.settings.server.host}:{app.settings.server.port}/mcp",
    }
    found: Seen = plain(seen)
    return found


def head(seen: Seen) -> str:
    """Feed, mode and time in one line."""
    feed = "SYNTHETIC prices (made up)" if seen["synthetic"] else _feed(*seen["feed"].partition(":")[::2])
    speed = "as fast as it can" if seen["speed"] == "max" else f"{seen['speed']} x the clock"
    state = "" if seen["state"] == "active" else f" · trading {seen['state'].upper()}"
    return (
        f"{seen['mode']} · {feed} · {seen['timeframe']} bars · {seen['market_at'].replace('T', ' ')} · {speed}{state}"
    )


def _feed(kind: str, of: str) -> str:
    return f"live prices of {of}" if kind == "ccxt" else f"replay of {of[:40]}"


def connect(seen: Seen) -> str:
    """How to point a client here."""
    return f"MCP: {seen['address']}   claude mcp add --transport http trade-mcp {seen['address']}"


def lines(seen: Seen) -> str:
    """A block of plain text."""
    said = [head(seen), f"  equity {_worth(seen)}"]
    said += [f"  {_position(held)}" for held in seen["positions"]] or ["  no positions"]
    said += [f"  {_decision(decision)}" for decision in seen["decisions"]]
    said += [f"  ! {problem}" for problem in (*seen["problems"], *seen["alarms"], *seen["warnings"])]
    said.append(f"  {connect(seen)}")
    return "\n".join(said)


def table(seen: Seen) -> "RenderableType":
    """The same for a terminal."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    held = Table(box=None, pad_edge=False)
    for name in ("symbol", "size", "entry", "mark", "stop", "target", "owner"):
        held.add_column(name, justify="left" if name in ("symbol", "owner") else "right")
    for position in seen["positions"]:
        held.add_row(
            *(_short(position[name]) for name in ("symbol", "size", "entry", "mark", "stop", "target", "owner"))
        )
    decided = Table(box=None, pad_edge=False, show_header=False)
    for decision in seen["decisions"]:
        at, action = decision["at"][11:19], decision["action"]
        style = {"enter": "bold green", "exit": "bold", "refused": "yellow", "error": "red"}.get(action, "dim")
        decided.add_row(Text(at, "dim"), decision["symbol"], Text(action, style), Text(decision["reason"]))
    troubles = [Text(f"! {text}", "yellow") for text in (*seen["problems"], *seen["alarms"], *seen["warnings"])]
    return Panel(
        Group(
            Text(f"equity {_worth(seen)}", "bold"),
            Text(),
            held if seen["positions"] else Text("no positions", "dim"),
            Text(),
            decided if seen["decisions"] else Text("waiting for the first closed bar", "dim"),
            *troubles,
            Text(),
            Text(connect(seen), "cyan"),
        ),
        title=Text(head(seen)),
        subtitle="Ctrl-C ends it; the ledger stays",
    )


def _worth(seen: Seen) -> str:
    parts = [f"{_short(seen['equity'])} {seen['currency']}", f"cash {_short(seen['cash'])}"]
    parts += [f"{name} {_short(seen[name])}" for name in ("realised", "unrealised", "fees")]
    return " · ".join(parts)


def _position(held: Seen) -> str:
    return (
        f"{held['symbol']} {_short(held['size'])} at {_short(held['entry'])}, now {_short(held['mark'])}, "
        f"stop {_short(held['stop'])}, target {_short(held['target'])} ({held['owner']})"
    )


def _decision(decision: Seen) -> str:
    return f"{decision['at'][11:19]} {decision['symbol']} {decision['action']}: {decision['reason']}"


def _short(value: str | None) -> str:
    """A number for the eye: two places for large ones, six significant digits for small ones."""
    if value is None:
        return "unknown"
    try:
        number = float(value)
    except ValueError:
        return value
    return f"{number:,.2f}" if abs(number) >= 100 else f"{number:.6g}"
