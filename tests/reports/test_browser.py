"""The page in a real browser, on a phone and on a desk: nothing hangs over its edge. Needs Chromium: -m nightly."""

import re
import shutil
import subprocess
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import pytest

from tests.office.story import Story
from trade_mcp.office.reporting import PastPrices, report
from trade_mcp.office.span import asked
from trade_mcp.reports.html import html
from trade_mcp.reports.page import page_of

pytestmark = pytest.mark.nightly

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FRAME = """<!doctype html><title>not yet</title>
<iframe srcdoc="{page}" style="width:{wide}px;height:3000px;border:0" onload="
document.title = 'wide ' + this.contentDocument.documentElement.scrollWidth"></iframe>"""


def width_of(page: str, wide: int, folder: Path) -> int:
    """How wide the browser lays ``page`` out where it has so many pixels. (A window itself has at least 500.)"""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert browser is not None, f"none of {', '.join(BROWSERS)} is installed"
    file = folder / "frame.html"
    file.write_text(FRAME.format(page=escape(page), wide=wide), "utf-8")
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1400,3000")
    shown = subprocess.run([browser, *options, "--dump-dom", file.as_uri()], capture_output=True, text=True, timeout=60)
    found = re.search(r"<title>wide (\d+)", shown.stdout)
    assert found is not None, shown.stderr
    return int(found[1])


@pytest.mark.parametrize("wide", [360, 1200])
def test_nothing_hangs_over_the_edge(told: Story, tmp_path: Path, wide: int) -> None:
    for number in range(30):
        name = f"a_strategy_with_a_long_name_{number}"
        told.order(f"b{number}", "buy", "1", price="123456.789", fee="123.45", symbol="ETH/USDT", strategy=name)
        told.order(f"s{number}", "sell", "1", price="99999.123", fee="99.99", symbol="ETH/USDT", strategy=name)
    page = page_of(report(told.log, asked("all"), PastPrices()), name="all", made_at=datetime.now(UTC))
    assert width_of(html(page), wide, tmp_path) == wide
