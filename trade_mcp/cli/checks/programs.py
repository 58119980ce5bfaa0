"""The programs: who has which role, who gives signs of life, and whether they run the code that is installed."""

from trade_mcp.cli.checks.patient import Finding, Patient, of_problems, ok, warn
from trade_mcp.office.health import alive, loop_problems, program_problems, watcher_problems
from trade_mcp.office.installed import installed_code
from trade_mcp.office.plain import lasting
from trade_mcp.office.ticks import ticks

START = "trade-mcp up, or supervisord -c supervisord.conf"


def leases(patient: Patient) -> Finding | None:
    """Who has which role."""
    if patient.engine is None:
        return None
    held = ", ".join(f"{one.name} by {one.holder.rpartition(':')[0]} (epoch {one.epoch})" for one in patient.holders)
    return ok(held or "no role is held")


def watcher(patient: Patient) -> Finding | None:
    """Whether somebody watches the exits."""
    if patient.engine is None:
        return None
    if not patient.runs and not patient.book.positions:
        return warn("nobody watches: nothing runs, and nothing is held", START)
    held = {one.name: one.holder for one in patient.holders}
    last = _heard("watch", patient)
    return of_problems(watcher_problems(held, patient.beats), f"it finished a round {last}", hint="trade-mcp watch")


def loop(patient: Patient) -> Finding | None:
    """Whether somebody decides, and at how many bars nobody did."""
    from trade_mcp.app import expected

    if patient.engine is None:
        return None
    if not patient.settings.loop.enabled:
        return warn("it is switched off (loop.enabled = false): nothing trades by itself", "set loop.enabled = true")
    if not patient.runs:
        return warn("nobody decides: nothing runs", START)
    wanted = expected(patient.settings, patient.symbols, patient.settings.desk.timeframe or patient.feed.timeframe)
    done = ticks(patient.engine, wanted.step, now=patient.market_at)
    held = {one.name: one.holder for one in patient.holders}
    said = f"it decided at {done.decided} of {done.due} bars in the last day of market time"
    found = of_problems(loop_problems(held, patient.beats, done, wanted), said, hint="trade-mcp loop")
    return (
        warn(said, "its log says why; was it started late, or is the speed too high?")
        if found.verdict == "warn"
        else found
    )


def heartbeats(patient: Patient) -> Finding | None:
    """Who was heard lately, and for how long each has been running."""
    if patient.engine is None:
        return None
    living = [f"{beat.program} {_age(beat.age_s)}, up {lasting(beat.up_s)}" for beat in patient.beats if alive(beat)]
    return ok("; ".join(living) or "nobody was heard in the last 10 s")


def code(patient: Patient) -> Finding | None:
    """Whether what runs is what is installed: the version, and a digest of the source."""
    installed = installed_code(patient.clock.boot())
    problems = program_problems(patient.beats, installed=installed)
    running = {(beat.host, beat.pid) for beat in patient.beats if alive(beat)}
    return of_problems(problems, f"{installed} is installed, and runs in {len(running)} processes", hint="restart it")


def _heard(program: str, patient: Patient) -> str:
    ages = [beat.age_s for beat in patient.beats if beat.program == program]
    return _age(min(ages)) if ages else "never"


def _age(age_s: float) -> str:
    return f"{max(0.0, age_s):.0f} s ago"
