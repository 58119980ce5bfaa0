"""A process that writes one ledger as fast as it can: ``python -m store.writer FILE NAME TIMES``.

Each round is one transaction of an order and its fill. Prints the place of each committed round, at once.
"""

import sys
from pathlib import Path

from store.ledgers import opened, trade
from trade_mcp.store.engine import open_engine


def write(path: Path, name: str, times: int) -> None:
    engine = open_engine(path)
    log = opened(engine)
    for number in range(times):
        with log.writing() as ledger:
            trade(ledger, f"{name}-{number}", size="0.01", price=str(100 + number % 7))
        print(f"{name}-{number}", log.book.seq, flush=True)
    engine.close()


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
