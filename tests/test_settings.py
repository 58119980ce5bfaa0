"""Settings: what is set where wins, and what is wrong is said by name before anything starts."""

import re
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from trade_mcp.domain.distances import Distance
from trade_mcp.domain.errors import BadConfig
from trade_mcp.risk.policy import LIMITS, Policy
from trade_mcp.settings import Settings, as_environment, load_settings

EXAMPLE = Path(__file__).parents[1] / "trade-mcp.example.toml"


@pytest.fixture
def written(tmp_path):
    def write(text: str) -> Path:
        file = tmp_path / "trade-mcp.toml"
        file.write_text(text, "utf-8")
        return file

    return write


def complaint(file: Path | None = None, env: dict[str, str] | None = None, **overrides) -> str:
    with pytest.raises(BadConfig) as error:
        load_settings(file, env=env or {}, overrides=overrides)
    assert error.value.exit_code == 2
    return str(error.value)


def test_the_command_line_covers_the_environment_and_that_the_file(written):
    file = written('[desk]\ncapital = 1\naccount = "file"\n[feed]\nseed = 1\nspeed = 2\n')
    env = {"TRADE_MCP_DESK__CAPITAL": "2", "TRADE_MCP_FEED__SEED": "2"}
    settings = load_settings(file, env=env, overrides={"feed": {"seed": 3, "speed": None}})
    assert settings.desk.capital == 2
    assert settings.desk.account == "file"
    assert (settings.feed.seed, settings.feed.speed) == (3, 2.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[desk]\nvenu = "paper"', "unknown setting desk.venu\nhint: did you mean desk.venue?"),
        ("[dsk]\nvenue = 1", "unknown setting dsk\nhint: did you mean desk?"),
        ('[desk]\nvenue = "papr"', "did you mean 'paper'?"),
        ('[desk]\ntimeframe = "7m"', "desk.timeframe = '7m': expected one of 1m, 3m, 5m"),
        ("[desk]\ncapital = -5", "desk.capital = -5: expected greater than 0"),
        ("[desk]\ncapital = nan", "desk.capital = NaN: expected a finite number"),
        ('[desk]\nsymbols = ["BTC/USDT", "ETH/EUR"]', "one quote currency, not of EUR and USDT"),
        (
            "[paper]\nmaker_fee = 15",
            "paper.maker_fee = 15: expected a fraction from 0 to 1, where 0.15 means 15 %; 15 %",
        ),
        ("[limits]\nmax_exposure = 15", "max_exposure = 15"),
        ("[limits]\nmax_exposur = 0.5", "did you mean max_exposure?"),
        ("[strategies.ema_cros]\nfast = 5", "did you mean 'ema_cross'?"),
        ("[strategies.ema_cross]\nfst = 5", "did you mean 'fast'?"),
        ("[loop]\nweights = { ema_cros = 1 }", "loop.weights.ema_cros"),
        ("[exits]\nstop = 0.02", 'exits.stop = 0.02: expected a percentage such as "2%"'),
        ('[feed]\nspeed = "fast"', 'a number above 0 and up to 1000000, or "max"'),
        ("[feed]\nspeed = inf", "feed.speed = Infinity"),
        ("[feed]\nstart = 2023-01-01T00:00:00", "a time with its zone"),
        ('[feed]\nname = "replay"', "candle files in feed.data"),
        ("[desk\nx = 1", "(at line 1, column 6)"),
        ('[server]\ntoken = "abc"', "set the environment variable TRADE_MCP_SERVER_TOKEN"),
    ],
)
def test_a_wrong_setting_is_named_with_what_was_expected(written, text, said):
    assert said in complaint(written(text))


def test_everything_wrong_is_said_at_once_with_where_it_was_set(written):
    text = complaint(written("[desk]\ncapital = 0\n[feed]\nsed = 1"), {"TRADE_MCP_SERVER__PORT": "x"})
    assert "3 settings are wrong" in text
    assert "trade-mcp.toml: desk.capital = 0" in text
    assert "environment: server.port = 'x': expected a whole number" in text
    assert "did you mean feed.seed?" in text


def test_a_configuration_file_that_is_not_there_is_an_error_not_defaults(tmp_path):
    assert "there is no configuration file" in complaint(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("TRADE_MCP_LIMITS__MAX_HEAT", "the environment never overrides [limits]"),
        ("TRADE_MCP_LIMITS_MAX_HEAT", "the environment never overrides [limits]"),
        ("TRADE_MCP_FED__NAME", "did you mean feed?"),
        ("TRADE_MCP_DESK_VENUE", "TRADE_MCP_DESK__VENUE"),
        ("TRADE_MCP_SERVER__TOKEN", "TRADE_MCP_SERVER_TOKEN"),
    ],
)
def test_a_variable_that_would_do_nothing_or_loosen_a_limit_is_refused(name, said):
    assert said in complaint(env={name: "1"})


def test_other_peoples_variables_are_left_alone():
    assert load_settings(env={"TRADE_MCP_TEST_DATA": "/x", "PATH": "/bin"}) == load_settings(env={})


def test_a_secret_is_never_shown():
    settings = load_settings(env={"TRADE_MCP_SERVER_TOKEN": "hunter2hunter2"})
    assert settings.server.token is not None
    assert settings.server.token.get_secret_value() == "hunter2hunter2"
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump()}"


def test_overrides_reach_a_child_process_through_its_environment():
    overrides = {
        "feed": {"name": "replay", "data": ["/a b", "/c,d"], "speed": "max", "seed": None},
        "server": {"port": 9},
    }
    assert load_settings(env=as_environment(overrides)) == load_settings(env={}, overrides=overrides)


def test_values_mean_what_people_write(written):
    file = written(
        '[desk]\nsymbols = ["btc/usdt"]\n[feed]\nname = "replay"\nstart = 2023-01-01\ndata = ["x.csv"]\n'
        '[exits]\nstop = "1.5%"\ntarget = "off"\ntrailing = "150"\n[strategies.rsi_reversion]\nenabled = false'
    )
    settings = load_settings(file, env={})
    assert settings.desk.symbols == ("BTC/USDT",)
    assert settings.feed.start == datetime(2023, 1, 1, tzinfo=UTC)
    assert settings.feed.data == (file.parent / "x.csv",)
    assert settings.exits.stop == Distance(fraction=Decimal("0.015"))
    assert (settings.exits.target, settings.exits.trailing) == (None, Distance(amount=Decimal(150)))
    assert settings.active_strategies == {"ema_cross": {}}


def test_the_example_file_shows_every_setting_and_limit_with_its_default(written):
    text = EXAMPLE.read_text("utf-8")
    defaults = re.sub(r"^#(?=\S+ = )", "", text, flags=re.M)
    settings = load_settings(written(defaults), env={})
    plain = load_settings(written(""), env={})
    assert settings.model_copy(update={"limits": {}, "strategies": {}}) == plain
    assert settings.policy == plain.policy
    shown = set(re.findall(r"^#(?: e\.g\.)? ?(\w+) = ", text, flags=re.M))
    assert not set(LIMITS) - shown
    for name, field in Settings.model_fields.items():
        elsewhere = {"token", "password", "webhook_url", "ping_url", "symbols", "weights", "holdings"}
        elsewhere |= {"exchange_key", "exchange_secret", "exchange_passphrase", "exchange_url"}
        keys = set(getattr(field.annotation, "model_fields", {})) - elsewhere
        assert not keys - shown, name

    examples = load_settings(
        written(re.sub(r"^# e\.g\. ", "", defaults, flags=re.M).replace('"synthetic"', '"replay"', 1))
    )
    assert examples.policy == Policy(allow=("BTC/USDT",))


def test_reading_settings_loads_nothing_heavy():
    code = (
        "import sys; from trade_mcp.settings import load_settings; load_settings(env={});"
        "print([m for m in ('numpy', 'talib', 'rich', 'typer', 'sqlalchemy', 'mcp') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
