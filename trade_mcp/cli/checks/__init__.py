"""Checks: what the doctor looks at, one small function each, in the order they are told.

Each gets the Patient and answers with a Finding, or None where there is nothing to look at. None changes anything,
waits for a network, or needs a program that runs.
"""

from collections.abc import Callable

from trade_mcp.cli.checks.desk import feed, outbox, policy, positions, state, stops, venue
from trade_mcp.cli.checks.ledger import chain, projections, schema, writable
from trade_mcp.cli.checks.machine import clock, disk, file_handles, filesystem, permissions, secrets
from trade_mcp.cli.checks.patient import Finding, Patient
from trade_mcp.cli.checks.programs import code, heartbeats, leases, loop, watcher

CHECKS: tuple[Callable[[Patient], Finding | None], ...] = (
    schema,
    writable,
    chain,
    projections,
    policy,
    feed,
    venue,
    state,
    positions,
    stops,
    leases,
    watcher,
    loop,
    heartbeats,
    code,
    outbox,
    clock,
    disk,
    filesystem,
    file_handles,
    permissions,
    secrets,
)
