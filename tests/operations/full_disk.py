"""A desk on a disk that fills up and gets room again: run by `test_disk_full`, its folder a small file system."""

import sys
from contextlib import suppress
from pathlib import Path

from operations.test_backup import desk, settled, trade
from server.serving import until
from trade_mcp import __version__
from trade_mcp.domain.errors import TradeError
from trade_mcp.store.verify import verify

FILLER = "filler"


def fill(folder: Path) -> None:
    """Take every byte that is left."""
    with (folder / FILLER).open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)


def main(folder: Path) -> None:
    with desk(folder / "desk") as app:
        trade(app, 0)
        assert app.log.refresh().positions and not app.log.book.unprotected()
        before = app.log.book.seq
        fill(folder)
        said = []
        for number in range(1, 40):  # room in the write-ahead log may last for a few more
            try:
                trade(app, number)
            except TradeError as error:
                said.append(str(error))
            fill(folder)
        assert said and all("full" in each or "could not be used" in each for each in said), said
        assert verify(app.engine, code=__version__).sound, "nothing is half written"
        stuck = app.log.refresh().seq
        report = app.watch.step()
        assert app.log.refresh().seq == stuck >= before
        print("while it was full:", *sorted(set(said)), *sorted(set(report.errors)), sep="\n")
        (folder / FILLER).unlink()
        until(lambda: settled(app))
        assert verify(app.engine, code=__version__).sound
        seq = app.log.refresh().seq
        trade(app, 100)
        assert app.log.refresh().seq > seq, "it trades on by itself"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
