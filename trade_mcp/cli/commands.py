"""Every command in one list. Help is plain text, so that no start waits for a renderer."""

import typer

from trade_mcp.cli import (
    account,
    arming,
    backup,
    candles,
    doctor,
    ledger,
    policy,
    practice,
    programs,
    proposals,
    report,
    risk,
    setup,
    strategies,
    switches,
    up,
)

app = typer.Typer(
    help=(
        "A trading desk you can hand to a language model: one gate, one ledger, an MCP server and an unattended loop."
        "\n\n"
        "\b\n"
        "Begin with:\n"
        "  trade-mcp up            the whole desk on synthetic prices; no key, no network\n"
        "  analyze-portfolio       what it earned, paid and was refused"
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    up.up,
    programs.serve,
    programs.loop,
    programs.watch,
    programs.tick,
    switches.halt,
    switches.resume,
    arming.arm,
    arming.disarm,
    proposals.proposals,
    proposals.approve,
    proposals.reject,
    risk.risk,
    account.takeover,
    account.reconcile,
    doctor.doctor,
    ledger.rebuild,
    ledger.verify,
    ledger.trades,
    report.report,
    strategies.check_strategy,
    backup.backup,
    backup.restore,
):
    app.command()(command)
app.add_typer(policy.app, name="policy")
app.add_typer(candles.app, name="candles")
app.add_typer(practice.app, name="practice")
app.add_typer(ledger.db, name="db")
app.add_typer(setup.app, name="setup")
