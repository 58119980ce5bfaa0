"""What waits for a person, and the person's answer."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from trade_mcp.cli import person
from trade_mcp.cli.options import Config, Json, desk, say
from trade_mcp.office.plain import plain

if TYPE_CHECKING:
    from trade_mcp.app import App
    from trade_mcp.store.proposals import Kept

Id = Annotated[str, typer.Argument(metavar="ID", help="Of `trade-mcp proposals`.")]
SHOWN = 20


def proposals(
    every: Annotated[bool, typer.Option("--all", help="Also those that were answered.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Entries that wait for a person. Larger than [limits] approve_above, or all of them with ask = "always".

    \b
    Example:
      trade-mcp proposals
    """
    with desk(config, "proposals") as app:
        from trade_mcp.domain.approvals import question
        from trade_mcp.store import proposals as kept

        now, quote = app.clock.real(), app.log.refresh().quote
        found = [one for one in kept.newest(app.engine, waiting=not every, limit=SHOWN) if every or _waits(app, one)]
        lines = []
        for one in found:
            lines.append(f"{one.proposal.proposal_id}  {one.standing(now)}")
            lines += [f"  {line}" for line in question(one.proposal, quote=quote).splitlines()]
        text = "\n".join(lines) if lines else "nothing waits"
        say({"proposals": [told(app, one) for one in found]}, text, as_json=as_json)


def approve(id: Id, config: Config = None, as_json: Json = False) -> None:
    """Place an entry that waits. Every rule must agree now, and its price still be near the one that was shown.

    On a live desk it asks for the operator's passphrase. Exit code 3 if it came too late or a rule says no; one that a
    rule refused waits on until its time is over.

    \b
    Example:
      trade-mcp approve 4f1c09ab77
    """
    with desk(config, "approve") as app:
        from trade_mcp.domain.approvals import By

        person.passphrase(app, "approve")
        receipt = app.proposals.approve(id, By.TERMINAL)
        order_id = receipt.order.order_id if receipt.order else None
        answer = {"proposal": id, "outcome": receipt.outcome, "message": receipt.message, "order_id": order_id}
        say(answer, receipt.message, as_json=as_json)
        if receipt.refused:
            raise typer.Exit(3)


def reject(
    id: Id,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is written down.")] = "",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Say no to an entry that waits.

    \b
    Example:
      trade-mcp reject 4f1c09ab77 --reason "too much of it already"
    """
    with desk(config, "reject") as app:
        from trade_mcp.domain.approvals import By

        said = app.proposals.reject(id, By.TERMINAL, reason=reason)
        text = f"rejected: {said.request.side} {said.size:f} {said.request.symbol}; nothing was sent"
        say({"proposal": id, "outcome": "rejected", "order_id": said.request.order_id}, text, as_json=as_json)


def told(app: "App", kept: "Kept") -> dict[str, Any]:
    """One proposal for scripts."""
    one = kept.proposal
    return {
        "id": one.proposal_id,
        "status": kept.standing(app.clock.real()),
        "order_id": one.request.order_id,
        "symbol": one.request.symbol,
        "side": one.request.side,
        "type": one.request.type,
        "size": one.size,
        "price": one.price,
        "notional": one.notional,
        "share": plain(one.share),
        "stop": one.stop,
        "risk": one.risk,
        "by": one.source,
        "strategy": one.request.strategy,
        "reason": one.request.reason,
        "why": one.why,
        "expires_at": one.expires_at,
        "decided_at": kept.decided_at,
        "decided_by": kept.decided_by,
        "note": kept.note,
    }


def _waits(app: "App", kept: "Kept") -> bool:
    return kept.standing(app.clock.real()) == "waiting"
