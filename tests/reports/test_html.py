"""The page: whole in one file, for a phone and for a mail client, and safe whatever others wrote."""

import re
import sys
from base64 import b64decode
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from tests.office.story import Story
from trade_mcp.office.reporting import PastPrices, report
from trade_mcp.office.span import asked
from trade_mcp.reports.html import html
from trade_mcp.reports.mail import mail_of
from trade_mcp.reports.page import page_of

MADE = datetime(2023, 3, 5, tzinfo=UTC)
ALONE = {"meta", "br", "img"}
SAFE = {"html", "head", "title", "body", "div", "h1", "h2", "p", "table", "tr", "th", "td", "span"} | ALONE


class Reader(HTMLParser):
    """Every element with its attributes, all text, and whether each is closed."""

    def __init__(self, page: str):
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ALONE:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def page(story: Story) -> str:
    return html(page_of(report(story.log, asked("all"), PastPrices()), name="all", made_at=MADE))


@pytest.fixture
def shown(told: Story) -> str:
    return page(told)


def test_it_needs_nothing_but_itself(shown: str) -> None:
    read = Reader(shown)
    assert read.open == []
    assert {tag for tag, _ in read.found} <= SAFE
    assert "http" not in re.sub(r"base64,[^\"]*", "", shown)
    assert "url(" not in shown
    for tag, attributes in read.found:
        assert not any(name.startswith("on") for name in attributes)
        if tag == "img":
            assert (attributes["src"] or "").startswith("data:image/png;base64,")
            assert len(attributes["alt"] or "") > 30


def test_it_fits_a_phone(shown: str) -> None:
    read = Reader(shown)
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in read.found
    for tag, attributes in read.found:
        if tag == "img":
            assert "width:100%" in (attributes["style"] or "")
        assert "min-width" not in (attributes.get("style") or "")


def test_its_pictures_are_pictures_wide_enough_for_a_sharp_screen(shown: str) -> None:
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', shown)
    assert len(pictures) == 2
    for picture in map(b64decode, pictures):
        assert picture.startswith(b"\x89PNG")
        assert int.from_bytes(picture[16:20], "big") >= 900


def test_without_the_library_that_draws_it_says_in_words_what_the_pictures_show(
    told: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # as Python itself marks what is not there
    read = Reader(page(told))
    assert not [tag for tag, _ in read.found if tag == "img"]
    assert "Equity from " in read.text and "pip install 'trade-mcp[charts]'" in read.text


def test_the_styles_stand_in_the_elements_for_mail_clients_drop_the_rest(shown: str) -> None:
    assert "<style" not in shown
    assert "<link" not in shown
    assert len(shown) < 500_000


def test_what_others_wrote_is_text(story: Story) -> None:
    story.order("m1", "buy", "1", price="10", strategy="<script>alert(1)</script>", symbol="<img src=x>/USDT")
    story.order("m2", "sell", "1", price="11", symbol="<img src=x>/USDT")
    shown = page(story)
    assert "<script" not in shown
    assert "<img src=x" not in shown
    assert "&lt;script&gt;" in shown


def test_an_empty_ledger_makes_a_page(story: Story) -> None:
    read = Reader(page(story))
    assert read.open == []
    assert "What happened" in read.text


def test_a_mail_has_the_same_page_with_its_pictures_beside_it(shown: str) -> None:
    mail = mail_of(shown)
    assert "data:" not in mail.html
    assert sorted(re.findall(r'src="cid:([^"]+)"', mail.html)) == sorted(mail.images) == ["chart-1", "chart-2"]
    assert all(picture.startswith(b"\x89PNG") for picture in mail.images.values())
    assert Reader(mail.html).text == Reader(shown).text
