"""Every transaction as CSV: exact, complete, and no formula for a spreadsheet."""

import csv
import io
from decimal import Decimal as D

import pytest

from tests.office.story import Story
from trade_mcp.office.transactions import COLUMNS, cell, trades_csv, transactions


def rows(story: Story) -> list[dict[str, str]]:
    out = io.StringIO(newline="")
    count = trades_csv(transactions(story.log), out)
    found = list(csv.DictReader(io.StringIO(out.getvalue(), newline="")))
    assert len(found) == count
    return found


def test_every_fill_is_a_row_with_what_it_realised(told: Story) -> None:
    found = rows(told)
    assert [row["order_id"] for row in found] == ["l1", "l2", "m1", "m2", "l3"]
    sold = "2023-03-01T01:00:00Z,l2,l2-t,BTC/USDT,sell,0.1,21000,2.1,USDT,2.1,exit,,target,100"
    assert ",".join(found[1].values()) == sold
    assert tuple(found[1]) == COLUMNS
    assert sum(D(row["realised"]) for row in found) == told.log.book.realised
    assert sum(D(row["fee_quote"]) for row in found) == told.log.book.fees


def test_an_empty_ledger_is_a_header(story: Story) -> None:
    out = io.StringIO(newline="")
    assert trades_csv(transactions(story.log), out) == 0
    assert out.getvalue().strip() == ",".join(COLUMNS)


def test_text_that_could_be_a_formula_is_disarmed_and_numbers_are_not(story: Story) -> None:
    story.order("=cmd|' /C calc'!A0", "buy", "1", price="100", strategy="@SUM(A1)\n=2")
    story.order("x", "sell", "1", price="90", strategy='-1, "quoted"')
    first, second = rows(story)
    assert first["order_id"] == "'=cmd|' /C calc'!A0"
    assert first["strategy"] == "'@SUM(A1)\n=2"
    assert second["strategy"] == '\'-1, "quoted"'
    assert second["realised"] == "-10"


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", " =1", "\t=1", "\r=1", "\n1", "\x00=1"])
def test_formulas_in_disguise(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "ema_cross", "a=b", "BTC/USDT", "7"])
def test_harmless_text_stays_as_it_is(text: str) -> None:
    assert cell(text) == text
