"""The command line. Commands live in files by theme; here is what an error looks like and which code it ends with.

Exit codes: 0 done, 1 failed, 2 bad usage or bad configuration, 3 refused by a control.
"""

import os
import sys


def main() -> None:
    """Run the command in ``sys.argv``. What we understand is told with its hint; the rest gets an incident id."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's idle threads cost 0.1 s of CPU at every start
    from trade_mcp.cli.commands import app
    from trade_mcp.domain.errors import TradeError

    try:
        app(prog_name="trade-mcp")
    except TradeError as error:
        from trade_mcp.logs.redact import redacted

        print(f"error: {redacted(str(error))}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        from trade_mcp import logs

        if not logs.structlog.is_configured():  # else it would go to stdout, where a script reads the answer
            logs.configure("trade-mcp")
        number = logs.incident("command failed", error, command=" ".join(sys.argv[1:]))
        said = f"error: {type(error).__name__}: {logs.redacted(str(error))}"
        print(f"{said}\nhint: this is a bug; incident {number} is in the log", file=sys.stderr)
        sys.exit(1)
