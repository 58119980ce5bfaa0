"""Fixtures every tier shares."""

import os
from pathlib import Path

import pytest

from faults_page import page


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real candles and exchange metadata, named by TRADE_MCP_TEST_DATA; skips without it."""
    root = os.environ.get("TRADE_MCP_TEST_DATA")
    if not root:
        pytest.skip("TRADE_MCP_TEST_DATA is unset: real candles and exchange metadata are not here")
    return Path(root)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seeds", type=int, default=3, help="how many seeds each storm runs")
    parser.addoption("--faults-page", type=Path, help="write docs/faults.md from what passes in this run")
    parser.addoption("--soak-days", type=float, default=7.0, help="market time of a soak")
    parser.addoption("--soak-minutes", type=float, default=12.0, help="real time it takes")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if (path := config.getoption("--faults-page")) is not None:
        path.write_text(page(report.nodeid for report in terminalreporter.stats.get("passed", ())), "utf-8")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest storms first: a worker that has done the rest shares what is left of them."""
    items.sort(key=lambda item: item.get_closest_marker("at_most") is None)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "storm_seed" in metafunc.fixturenames:
        seeds = metafunc.config.getoption("--seeds")
        if (most := metafunc.definition.get_closest_marker("at_most")) is not None:
            seeds = min(seeds, most.args[0])
        metafunc.parametrize("storm_seed", range(seeds))
