"""The desk's own: limits in force, prices, the account, what is held, what waits to be told."""

from datetime import UTC, datetime

from trade_mcp.cli.checks.patient import Finding, Patient, fail, of_problems, ok, warn
from trade_mcp.domain.errors import TradeError
from trade_mcp.domain.events import TradingState
from trade_mcp.office.health import beating, price_problems
from trade_mcp.risk.policy import differences, parse_policy
from trade_mcp.store import outbox as messages
from trade_mcp.store.flag import HaltFlag
from trade_mcp.venues.capabilities import KNOWN, Dialect
from trade_mcp.venues.paper_look import look


def policy(patient: Patient) -> Finding | None:
    """The limits of the file against those in force."""
    from trade_mcp.app import own_policy

    if not patient.book.policy:
        return None
    changed = differences(parse_policy(patient.book.policy_text), own_policy(patient.settings, patient.symbols))
    if changed:
        keys = ", ".join(key for key, _, _ in changed)
        return warn(f"the file differs from the limits in force ({keys}): no entries", "trade-mcp policy adopt")
    return ok(f"the file is in force: {patient.book.policy[:12]}")


def feed(patient: Patient) -> Finding:
    """Whether the prices can be had, and how old the newest is at market time."""
    try:
        found, at = patient.feed, patient.market_at
    except TradeError as error:
        return fail(error.message, error.hint)
    book = patient.book
    if book.feed and book.feed != found.identity:
        said = f"the ledger belongs to {book.feed}, the settings say {found.identity}"
        return fail(said, "go back to its feed, or set another [desk] data_dir")
    newest = max(found.quote(symbol, now=at).at for symbol in patient.symbols) if book.policy else found.start
    age = f"the newest price is {(at - newest).total_seconds():.0f} s old at {at:%Y-%m-%d %H:%M:%S} market time"
    if not book.policy:
        return ok(f"{found.name}, {len(patient.symbols)} symbols")
    problems = price_problems(found, book, patient.symbols, now=at)
    return of_problems(problems, f"{found.name}, {age}", hint="no entries without a fresh price; is a file cut short?")


def venue(patient: Patient) -> Finding | None:
    """Whether the account can be read, is the ledger's, and knows as many resting orders."""
    path = patient.folder / "paper.db"
    if not path.exists():
        return None if not patient.book.account else fail(f"the paper account {path} is gone", "restore a backup")
    try:
        found = look(path)
    except TradeError as error:
        return fail(error.message, error.hint)
    if patient.book.account and found.account != patient.book.account:
        return fail(f"{path} is account {found.account}, the ledger's is {patient.book.account}", "restore a backup")
    return ok(
        f"paper account {found.account[:8]}, {found.working} orders rest there, {len(patient.book.orders)} live here"
    )


def state(patient: Patient) -> Finding | None:
    """Whether entries are allowed."""
    if patient.engine is None:
        return None
    book = patient.book
    if why := HaltFlag(patient.folder).why():
        return warn(why, 'trade-mcp resume --reason "..." when it is safe')
    if book.state is not TradingState.ACTIVE:
        return warn(f"trading is {book.state}: {book.state_reason}", 'trade-mcp resume --reason "..." when it is safe')
    if why := book.unarmed(datetime.now(UTC)):
        return warn(why, "trade-mcp arm --for 8h")
    if book.breaks:
        said = "; ".join(f"no entries in {currency}: {why}" for currency, why in book.breaks.items())
        return warn(said, "who else trades on this account? docs/operations.md, lost answers and alarms")
    return ok("trading is active")


def positions(patient: Patient) -> Finding | None:
    """Whether every position that should rest on a stop does."""
    if patient.engine is None:
        return None
    unwatched = () if beating("watch", patient.beats) else patient.book.with_stops
    bare = patient.book.unprotected(unwatched)
    if bare:
        return fail(f"no live stop: {', '.join(bare)}", "start the watcher: trade-mcp watch")
    held = sum(not position.dust for position in patient.book.positions.values())
    return ok(f"{held} positions, none without its stop")


def stops(patient: Patient) -> Finding:
    """Whether stops rest at the venue, or nothing sells while the desk does not run."""
    desk = patient.settings.desk
    where = desk.venue if desk.venue != "ccxt" else str(desk.exchange)
    if desk.venue != "ccxt" or KNOWN.get(where, Dialect()).stops:
        return ok(f"stops rest at the venue, {where}")
    return warn(
        f"no stop rests at {where}: the desk watches them, and if it does not run, nothing sells",
        "keep `trade-mcp up` running, and hear of it when it does not (docs/live.md)",
    )


def outbox(patient: Patient) -> Finding | None:
    """Messages that wait, and those that will never arrive."""
    if patient.engine is None:
        return None
    found = messages.states(patient.engine)
    said = ", ".join(f"{one.channel}: {one.queued} wait, {one.failed} failed" for one in found) or "nothing waits"
    if any((one.queued and one.error) or one.failed for one in found):
        why = "; ".join(dict.fromkeys(one.error for one in found if one.error))
        return warn(f"{said} ({why})" if why else said, "trade-mcp setup mail tests the settings")
    return ok(said)
