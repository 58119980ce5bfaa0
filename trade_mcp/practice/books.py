"""Books: what the exchange must not forget, in one SQLite database: orders, lists, fills, balances, transfers, clock.

One process owns the file. What rests is kept in memory as well; every change is written in the transaction of the
request that made it, before anybody is told, so a kill at any moment loses nothing that was answered.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from trade_mcp.domain.errors import BadConfig, ForeignDatabase, ForeignLedger
from trade_mcp.domain.instrument import ZERO
from trade_mcp.practice.records import Fill, Late, OrderList
from trade_mcp.practice.ticket import Ticket
from trade_mcp.practice.time import Anchor

APPLICATION_ID = 0x74707278  # "tprx"
TABLES = """
CREATE TABLE exchange (
    only INTEGER PRIMARY KEY CHECK (only = 1), feed TEXT NOT NULL, anchor TEXT NOT NULL, matched_until TEXT NOT NULL)
    STRICT;
CREATE TABLE accounts (name TEXT PRIMARY KEY, uid INTEGER NOT NULL) STRICT;
CREATE TABLE balances (account TEXT, asset TEXT, total TEXT NOT NULL, PRIMARY KEY (account, asset)) STRICT;
CREATE TABLE transfers (
    number INTEGER PRIMARY KEY, account TEXT NOT NULL, asset TEXT NOT NULL, amount TEXT NOT NULL,
    at_ms INTEGER NOT NULL) STRICT;
CREATE TABLE orders (
    number INTEGER PRIMARY KEY, account TEXT NOT NULL, symbol TEXT NOT NULL, client_id TEXT NOT NULL,
    list_id INTEGER NOT NULL, live INTEGER NOT NULL, created_ms INTEGER NOT NULL, content TEXT NOT NULL) STRICT;
CREATE INDEX orders_live ON orders (number) WHERE live = 1;
CREATE INDEX orders_of ON orders (account, symbol, number);
CREATE INDEX orders_client ON orders (account, symbol, client_id);
CREATE TABLE lists (
    number INTEGER PRIMARY KEY, account TEXT NOT NULL, client_id TEXT NOT NULL, live INTEGER NOT NULL,
    content TEXT NOT NULL) STRICT;
CREATE TABLE fills (
    number INTEGER PRIMARY KEY, account TEXT NOT NULL, symbol TEXT NOT NULL, order_number INTEGER NOT NULL,
    at_ms INTEGER NOT NULL, content TEXT NOT NULL) STRICT;
CREATE INDEX fills_of ON fills (account, symbol, number);
CREATE INDEX fills_order ON fills (order_number);
CREATE TABLE late (
    number INTEGER PRIMARY KEY, order_number INTEGER NOT NULL, size TEXT NOT NULL, price TEXT NOT NULL,
    maker INTEGER NOT NULL, due_ms INTEGER NOT NULL) STRICT;
"""


class Books:
    """The database of one exchange, and what rests."""

    def __init__(self, path: Path, *, feed: str, anchor: Anchor):
        """Open the books, or make them to begin at ``anchor``. Raises BadConfig, ForeignDatabase, ForeignLedger."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, timeout=0.5)
            self._open(path, feed, anchor)
        except (OSError, sqlite3.OperationalError) as error:
            raise BadConfig(
                f"the practice exchange's books {path} cannot be opened: {error}",
                hint="one exchange keeps one file: is another one running? --state names another file",
            ) from error
        except sqlite3.DatabaseError as error:
            raise ForeignDatabase(f"{path} is no practice exchange: {error}", hint="move it away") from error
        self._read()

    def _open(self, path: Path, feed: str, anchor: Anchor) -> None:
        (program,) = self._db.execute("PRAGMA application_id").fetchone()
        (tables,) = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if program != APPLICATION_ID and (program or tables):
            raise ForeignDatabase(f"{path} is a database of another program", hint="move it away")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")  # every booked step is on the disk before it is told
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("BEGIN IMMEDIATE")
        if not tables:
            for statement in filter(str.strip, TABLES.split(";")):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self._db.execute(
                "INSERT INTO exchange VALUES (1, ?, ?, ?)", (feed, _text(anchor), anchor.market.isoformat())
            )
        self._db.execute("COMMIT")
        (of,) = self._db.execute("SELECT feed FROM exchange").fetchone()
        if of != feed:
            raise ForeignLedger(f"the books {path} trade {of}, not {feed}", hint="--state names another file")

    def _read(self) -> None:
        text, until = self._db.execute("SELECT anchor, matched_until FROM exchange").fetchone()
        self.anchor, self.matched_until = msgspec.json.decode(text, type=Anchor), datetime.fromisoformat(until)
        live = self._db.execute("SELECT content FROM orders WHERE live = 1 ORDER BY number")
        self.live = {ticket.number: ticket for ticket in (_ticket(row[0]) for row in live)}
        self.totals: dict[str, dict[str, Decimal]] = {}
        for account, asset, total in self._db.execute("SELECT account, asset, total FROM balances"):
            self.totals.setdefault(account, {})[asset] = Decimal(total)
        self._numbers = {
            table: self._db.execute(f"SELECT coalesce(max(number), 0) FROM {table}").fetchone()[0]
            for table in ("orders", "lists", "fills", "late")
        }

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Everything inside is written as one, or nothing; what is in memory is what is in the file."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # the disk may be what failed
                self._db.execute("ROLLBACK")
            self._read()
            raise

    def next_number(self, table: str) -> int:
        self._numbers[table] += 1
        return int(self._numbers[table])

    def keep_clock(self, anchor: Anchor, until: datetime) -> None:
        self.anchor, self.matched_until = anchor, until
        self._db.execute("UPDATE exchange SET anchor = ?, matched_until = ?", (_text(anchor), until.isoformat()))

    def keep_account(self, name: str) -> int:
        """The account's uid; new ones get the next."""
        self._db.execute(
            "INSERT OR IGNORE INTO accounts SELECT ?, 1000 + count(*) FROM accounts",
            (name,),
        )
        return int(self._db.execute("SELECT uid FROM accounts WHERE name = ?", (name,)).fetchone()[0])

    def known(self, name: str) -> bool:
        return self._db.execute("SELECT 1 FROM accounts WHERE name = ?", (name,)).fetchone() is not None

    def move(self, account: str, asset: str, amount: Decimal) -> None:
        """Change a balance."""
        totals = self.totals.setdefault(account, {})
        totals[asset] = totals.get(asset, ZERO) + amount
        self._db.execute("INSERT OR REPLACE INTO balances VALUES (?, ?, ?)", (account, asset, str(totals[asset])))

    def keep_transfer(self, account: str, asset: str, amount: Decimal, *, at_ms: int) -> None:
        self._db.execute("INSERT INTO transfers VALUES (NULL, ?, ?, ?, ?)", (account, asset, str(amount), at_ms))
        self.move(account, asset, amount)

    def keep_order(self, ticket: Ticket) -> None:
        live = ticket.open or ticket.late > 0
        if live:
            self.live[ticket.number] = ticket
        else:
            self.live.pop(ticket.number, None)
        spec = ticket.spec
        self._db.execute(
            "INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                ticket.number,
                ticket.account,
                spec.symbol,
                spec.client_id,
                ticket.list_id,
                live,
                ticket.created_ms,
                _text(ticket),
            ),
        )

    def keep_list(self, order_list: OrderList) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO lists VALUES (?, ?, ?, ?, ?)",
            (order_list.number, order_list.account, order_list.client_id, order_list.live, _text(order_list)),
        )

    def keep_fill(self, fill: Fill) -> None:
        self._db.execute(
            "INSERT INTO fills VALUES (?, ?, ?, ?, ?, ?)",
            (fill.number, fill.account, fill.symbol, fill.order_number, fill.at_ms, _text(fill)),
        )

    def keep_late(self, late: Late) -> None:
        row = (late.number, late.order_number, str(late.size), str(late.price), late.maker, late.due_ms)
        self._db.execute("INSERT INTO late VALUES (?, ?, ?, ?, ?, ?)", row)

    def drop_late(self, late: Late) -> None:
        self._db.execute("DELETE FROM late WHERE number = ?", (late.number,))

    def lates(self) -> list[Late]:
        rows = self._db.execute("SELECT * FROM late ORDER BY due_ms, number")
        return [
            Late(n, order, Decimal(size), Decimal(price), bool(maker), due)
            for n, order, size, price, maker, due in rows
        ]

    def order(self, account: str, symbol: str, *, number: int | None, client_id: str | None) -> Ticket | None:
        """The order of that number, or the newest with that client id (open ones first)."""
        column, key = ("number", number) if number is not None else ("client_id", client_id)
        row = self._db.execute(
            f"SELECT content FROM orders WHERE account = ? AND symbol = ? AND {column} = ?"
            " ORDER BY live DESC, number DESC LIMIT 1",
            (account, symbol, key),
        ).fetchone()
        return None if row is None else _ticket(row[0])

    def by_number(self, number: int) -> Ticket:
        return _ticket(self._db.execute("SELECT content FROM orders WHERE number = ?", (number,)).fetchone()[0])

    def orders(
        self, account: str, symbol: str, *, start: int | None, end: int | None, first: int | None, limit: int
    ) -> list[Ticket]:
        """Orders, oldest first: the oldest from number ``first`` or time ``start`` on, else the newest."""
        return [_ticket(text) for text in self._page("orders", "created_ms", account, symbol, start, end, first, limit)]

    def fills(
        self, account: str, symbol: str, *, start: int | None, end: int | None, first: int | None, limit: int
    ) -> list[Fill]:
        pages = self._page("fills", "at_ms", account, symbol, start, end, first, limit)
        return [msgspec.json.decode(text, type=Fill) for text in pages]

    def fills_of(self, number: int) -> list[Fill]:
        """Of one order, oldest first."""
        rows = self._db.execute("SELECT content FROM fills WHERE order_number = ? ORDER BY number", (number,))
        return [msgspec.json.decode(row[0], type=Fill) for row in rows]

    def order_list(self, account: str, *, number: int | None, client_id: str | None = None) -> OrderList | None:
        sql, key = ("number = ?", number) if number is not None else ("client_id = ?", client_id)
        row = self._db.execute(
            f"SELECT content FROM lists WHERE account = ? AND {sql} ORDER BY live DESC, number DESC LIMIT 1",
            (account, key),
        ).fetchone()
        return None if row is None else msgspec.json.decode(row[0], type=OrderList)

    def list_of(self, number: int) -> OrderList:
        row = self._db.execute("SELECT content FROM lists WHERE number = ?", (number,)).fetchone()
        return msgspec.json.decode(row[0], type=OrderList)

    def order_lists(self, account: str) -> list[OrderList]:
        """Of an account, oldest first."""
        rows = self._db.execute("SELECT content FROM lists WHERE account = ? ORDER BY number", (account,))
        return [msgspec.json.decode(row[0], type=OrderList) for row in rows]

    def transfers(self, account: str, *, start: int | None, end: int | None) -> list[tuple[int, str, Decimal, int]]:
        """Number, asset, amount (below 0: taken out) and time of an account's transfers, newest first."""
        rows = self._db.execute(
            "SELECT number, asset, amount, at_ms FROM transfers WHERE account = ? AND at_ms BETWEEN ? AND ?"
            " ORDER BY number DESC",
            (account, start or 0, 2**62 if end is None else end),
        )
        return [(number, asset, Decimal(amount), at_ms) for number, asset, amount, at_ms in rows]

    def sums(self) -> dict[str, Any]:
        """How much there is of each kind of row, and every transfer by account and asset."""
        counts = {
            table: self._db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("orders", "fills")
        }
        transfers: dict[str, dict[str, Decimal]] = {}
        for account, asset, amount in self._db.execute("SELECT account, asset, amount FROM transfers"):
            of = transfers.setdefault(account, {})
            of[asset] = of.get(asset, ZERO) + Decimal(amount)
        return {**counts, "transfers": transfers}

    def all_of(self, account: str) -> tuple[list[Ticket], list[Fill]]:
        """Every order and fill of an account, oldest first."""
        orders = self._db.execute("SELECT content FROM orders WHERE account = ? ORDER BY number", (account,))
        fills = self._db.execute("SELECT content FROM fills WHERE account = ? ORDER BY number", (account,))
        return [_ticket(row[0]) for row in orders], [msgspec.json.decode(row[0], type=Fill) for row in fills]

    def _page(
        self,
        table: str,
        time: str,
        account: str,
        symbol: str,
        start: int | None,
        end: int | None,
        first: int | None,
        limit: int,
    ) -> Sequence[str]:
        onwards = start is not None or first is not None
        rows = self._db.execute(
            f"SELECT content FROM {table} WHERE account = ? AND symbol = ? AND number >= ? AND {time} BETWEEN ? AND ?"
            f" ORDER BY number {'ASC' if onwards else 'DESC'} LIMIT ?",
            (account, symbol, first or 0, start or 0, end if end is not None else 2**62, limit),
        ).fetchall()
        texts = [row[0] for row in rows]
        return texts if onwards else texts[::-1]


def _ticket(text: str) -> Ticket:
    return msgspec.json.decode(text, type=Ticket)


def _text(value: Struct) -> str:
    return msgspec.json.encode(value).decode()
