"""What may be set: one frozen section per table of trade-mcp.toml, with every default and its unit."""

import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import platformdirs
from msgspec import structs
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from trade_mcp.domain.distances import Distance
from trade_mcp.domain.errors import BadConfig, BadInput
from trade_mcp.domain.exit_rules import ExitRules
from trade_mcp.domain.exits import ExitPlan, Rung, check_plan
from trade_mcp.domain.market import TIMEFRAMES
from trade_mcp.office.span import asked
from trade_mcp.settings.secrets import secret
from trade_mcp.settings.values import (
    SYMBOL,
    Amount,
    ExitDistance,
    FilePath,
    Fraction,
    Length,
    Moment,
    Money,
    Speed,
    Symbol,
    Symbols,
    Timeframe,
    listed,
)

if TYPE_CHECKING:
    from trade_mcp.ports import Channel
    from trade_mcp.risk.policy import Policy

APP = "trade-mcp"
ADDRESS = re.compile(r"[^@\s<>,]+@[^@\s<>,]+")
DEFAULT_STRATEGIES = ("ema_cross", "rsi_reversion")
HERE = re.compile(r"localhost|127(\.\d+){3}|::1")  # this machine
STRATEGY = re.compile(r"[A-Za-z0-9_.-]{1,40}")  # a name, which orders carry

Mode = Literal["paper", "practice", "testnet", "live"]
Toolset = Literal["market", "signals", "orders", "portfolio", "risk", "desk"]


def web_address(value: SecretStr | None) -> SecretStr | None:
    """An address that is secret, if it is one; what is wrong with it is said without it."""
    if value is not None and not re.match(r"https?://[^/\s]+", value.get_secret_value()):
        raise PydanticCustomError("address", "an address that begins with https:// or http://")
    return value


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class DeskSettings(Section):
    venue: Literal["paper", "ccxt"] = "paper"
    exchange: str | None = None  # ccxt's name of it: "binance"
    sandbox: bool = False  # true: the exchange's testnet
    exchange_key: SecretStr | None = None  # from TRADE_MCP_EXCHANGE_KEY or the keyring only
    exchange_secret: SecretStr | None = None  # from TRADE_MCP_EXCHANGE_SECRET or the keyring only
    exchange_passphrase: SecretStr | None = None  # where an exchange has one: TRADE_MCP_EXCHANGE_PASSPHRASE
    exchange_url: SecretStr | None = None  # another base address, of a practice exchange: TRADE_MCP_EXCHANGE_URL
    symbols: Symbols | None = None  # None: the feed's
    timeframe: Timeframe | None = None  # None: the feed's own
    quote: str | None = None  # None: that of the symbols
    capital: Money = Decimal(10_000)  # quote currency
    account: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,40}$")] = "default"
    database_url: str | None = None  # None: SQLite in data_dir
    data_dir: FilePath = Field(default_factory=lambda: platformdirs.user_data_path(APP))

    @field_validator("quote")
    @classmethod
    def _upper(cls, value: str | None) -> str | None:
        return value.upper() if value else None

    @model_validator(mode="after")
    def _one_quote(self) -> Self:
        quotes = {symbol.partition("/")[2] for symbol in self.symbols or ()} | ({self.quote} if self.quote else set())
        if len(quotes) > 1:
            raise PydanticCustomError(
                "quote", "symbols of one quote currency, not of {quotes}", {"quotes": " and ".join(sorted(quotes))}
            )
        return self

    @field_validator("exchange")
    @classmethod
    def _lower(cls, value: str | None) -> str | None:
        return value.lower() if value else None

    @model_validator(mode="after")
    def _exchange_named(self) -> Self:
        if self.venue == "ccxt" and self.exchange is None:
            raise PydanticCustomError("exchange", 'desk.exchange, such as "binance", when desk.venue is "ccxt"')
        return self

    @field_validator("exchange_url")
    @classmethod
    def _address(cls, value: SecretStr | None) -> SecretStr | None:
        return web_address(value)

    @property
    def base_url(self) -> str:
        """Another base address of the exchange, "" for its own."""
        return "" if self.exchange_url is None else self.exchange_url.get_secret_value()

    @property
    def practises(self) -> bool:
        """Whether the exchange is one on this machine: a practice exchange."""
        return bool(HERE.fullmatch(urlsplit(self.base_url).hostname or ""))

    @property
    def ledger_url(self) -> str:
        """Where the ledger is, as an SQLAlchemy URL."""
        return self.database_url or f"sqlite:///{self.data_dir / 'ledger.db'}"


class FeedSettings(Section):
    name: Literal["synthetic", "replay", "ccxt"] = "synthetic"
    streaming: bool = True  # ccxt: listen to the exchange's stream; false: ask over REST alone
    data: Annotated[tuple[FilePath, ...], BeforeValidator(listed)] = ()  # candle files of replay
    seed: Annotated[int, Field(ge=0)] = 7  # of synthetic
    speed: Speed = 60.0  # market seconds per real second; ccxt: 1, or that of a practice exchange
    start: Moment | None = None  # None: synthetic's own; replay: after the longest lookback
    spread: Fraction = Decimal("0.0002")  # ask - bid, as a fraction of the price
    symbols: dict[str, str] = {}  # file name -> "BTC/USDT 5m", where the name does not say it

    @model_validator(mode="before")
    @classmethod
    def _live(cls, values: Any) -> Any:
        live = isinstance(values, dict) and values.get("name") == "ccxt"
        return {"speed": 1.0} | values if live else values

    @field_validator("symbols")
    @classmethod
    def _symbol_and_timeframe(cls, value: dict[str, str]) -> dict[str, str]:
        for file, said in value.items():
            symbol, _, timeframe = said.partition(" ")
            if not SYMBOL.fullmatch(symbol) or timeframe not in TIMEFRAMES:
                raise PydanticCustomError(
                    "mapping",
                    'for {file} a symbol and a timeframe, such as "BTC/USDT 5m"; timeframes: {known}',
                    {"file": file, "known": ", ".join(TIMEFRAMES)},
                )
        return value

    @model_validator(mode="after")
    def _data_fits_name(self) -> Self:
        if self.name == "replay" and not self.data:
            raise PydanticCustomError("data", 'candle files in feed.data (--data PATH) when feed.name is "replay"')
        if self.name != "replay" and self.data:
            raise PydanticCustomError("data", 'feed.name = "replay" (--feed replay) when feed.data names files')
        return self


class PaperSettings(Section):
    instruments: FilePath | None = None  # exchange metadata (exchangeInfo JSON); None: sane defaults
    maker_fee: Fraction | None = None  # of the notional; None: the instrument's (0.001)
    taker_fee: Fraction | None = None
    fee_currency: str = "quote"  # "quote", "received" (base when buying), or a coin
    fee_coin_price: Money | None = None  # quote currency per coin, when fee_currency is a coin
    spread: Fraction = Decimal("0.0002")  # of the price; half of it is paid each way
    slippage: Fraction = Decimal("0.1")  # of the price, for an order as large as the bar's volume
    participation: Fraction = Decimal("0.1")  # of a bar's volume that may fill us
    cash: Amount | None = None  # quote currency; None: desk.capital
    holdings: dict[str, Amount] = {}  # currency -> amount in the account before us

    @field_validator("holdings")
    @classmethod
    def _upper(cls, value: dict[str, Decimal]) -> dict[str, Decimal]:
        return {currency.upper(): amount for currency, amount in value.items()}

    @model_validator(mode="after")
    def _coin_has_a_price(self) -> Self:
        if self.fee_currency not in ("quote", "received") and self.fee_coin_price is None:
            raise PydanticCustomError(
                "coin", 'fee_currency "quote", "received", or a coin whose price is in paper.fee_coin_price'
            )
        return self


class LoopSettings(Section):
    enabled: bool = True
    risk_per_trade: Fraction = Decimal("0.005")  # of equity, lost if the stop is hit
    entry_threshold: Annotated[float, Field(gt=0, le=1)] = 0.3  # blended strength (0..1) that opens a position
    weights: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = {}  # by strategy; {}: equal
    interval_s: Annotated[float, Field(gt=0, le=60)] = 0.2  # real seconds: the longest wait between looks at the time


class CalendarSettings(Section):
    stocks: Annotated[tuple[Symbol, ...], BeforeValidator(listed)] = ()  # these trade in sessions, all others always
    exchange: str = "XNYS"  # whose sessions: a name of exchange-calendars


class LadderStep(Section):
    share: Fraction  # of the position
    at: ExitDistance  # above the fill


class ExitSettings(Section):
    """Exits of an entry that brings none: "2%" of the fill price, "150" quote currency, "2.5 ATR", "2R", or "off"."""

    stop: ExitDistance = Distance(fraction=Decimal("0.02"))
    target: ExitDistance = Distance(fraction=Decimal("0.04"))
    trailing: ExitDistance = None  # with "3 ATR" a chandelier: so far below the highest price since the entry
    break_even: ExitDistance = None  # so far above the entry, the stop moves to the entry plus fees
    ladder: tuple[LadderStep, ...] = ()  # parts sold before the target
    max_hold: Length | None = None  # market time after which a position is closed
    confident: dict[str, ExitDistance] = {}  # target by confidence: {"0.7": "2.6%", "0.4": "1.8%"}

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        for name in ("stop", "trailing"):
            distance: Distance | None = getattr(self, name)
            if distance is not None and distance.fraction is not None and distance.fraction >= 1:
                raise PydanticCustomError("distance", "{name} below 100%, or no price is left", {"name": name})
        try:
            check_plan(self.plan)
            [Decimal(least) for least in self.confident]
        except BadInput as error:
            raise PydanticCustomError("exits", "{said}: {hint}", {"said": error.message, "hint": error.hint}) from None
        except InvalidOperation:
            raise PydanticCustomError("confident", 'confidences as keys: {"0.7" = "2.6%"}') from None
        return self

    @property
    def plan(self) -> ExitPlan:
        return ExitPlan(
            stop=self.stop,
            target=self.target,
            trail=self.trailing,
            rungs=tuple(Rung(step.share, step.at) for step in self.ladder if step.at is not None),
            break_even=self.break_even,
            max_hold=None if self.max_hold is None else int(self.max_hold.total_seconds()),
        )

    @property
    def rules(self) -> ExitRules:
        targets = ((Decimal(least), target) for least, target in self.confident.items() if target is not None)
        return ExitRules(self.plan, tuple(sorted(targets, key=lambda one: -one[0])))


class ReportSettings(Section):
    """Reports on the desk; made by themselves if ``every`` says how often."""

    every: Length | None = None  # market time
    period: str = "day"  # what each of those tells of
    folder: FilePath | None = None  # None: reports in data_dir
    keep_days: Annotated[int, Field(ge=1, le=36500)] = 90  # real time, of all of them
    time_limit_s: Annotated[int, Field(ge=10, le=3600)] = 120  # real seconds one may take

    @field_validator("period")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            asked(value)
        except BadInput as error:
            raise PydanticCustomError("period", "a period, {said}", {"said": error.hint}) from None
        return value


class RetentionSettings(Section):
    """How long ticks, decisions and signals are kept one by one, and then as hourly sums. Events are kept for ever."""

    ticks_days: Annotated[int, Field(ge=1, le=3650)] = 14  # market time
    hourly_days: Annotated[int, Field(ge=1, le=36500)] = 400


class MailSettings(Section):
    """Where mail goes. The password comes from TRADE_MCP_MAIL_PASSWORD or the keyring, never from a file."""

    host: str | None = None  # None: no mail
    port: Annotated[int, Field(ge=1, le=65535)] | None = None  # None: 587 for starttls, 465 for tls, 25 for off
    tls: Literal["starttls", "tls", "off"] = "starttls"
    user: str = ""
    sender: str = ""  # default: the user
    to: Annotated[tuple[str, ...], BeforeValidator(listed)] = ()
    ca_file: FilePath | None = None  # of an authority of your own
    password: SecretStr | None = None  # from TRADE_MCP_MAIL_PASSWORD or the keyring only

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.host is None:
            return self
        addresses = (*self.to, self.from_whom)
        if not self.to or not all(ADDRESS.fullmatch(address) for address in addresses):
            raise PydanticCustomError("mail", "addresses in mail.to and mail.sender, such as me@example.org")
        if self.tls == "off" and self.user and not HERE.fullmatch(self.host):
            raise PydanticCustomError("mail", 'tls = "starttls" or "tls": a password goes to another machine encrypted')
        return self

    @property
    def from_whom(self) -> str:
        return self.sender or self.user

    @property
    def at_port(self) -> int:
        return self.port or {"starttls": 587, "tls": 465, "off": 25}[self.tls]


class AlertSettings(Section):
    """What is told, and how often. The webhook's address comes from TRADE_MCP_ALERTS_WEBHOOK_URL or the keyring."""

    channels: tuple[Literal["mail", "webhook"], ...] | None = None  # None: all that are set up
    least: Literal["info", "warning", "critical"] = "warning"
    window: Length = timedelta(hours=1)  # real time in which the same alert is told once, then counted
    most_per_hour: Annotated[int, Field(ge=1, le=1000)] = 12  # of those that are not critical
    webhook: Literal["plain", "slack", "discord", "telegram"] = "plain"  # the shape it is posted in
    chat: str = ""  # Telegram's chat id
    webhook_url: SecretStr | None = None

    @field_validator("webhook_url")
    @classmethod
    def _address(cls, value: SecretStr | None) -> SecretStr | None:
        return web_address(value)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.webhook == "telegram" and not self.chat:
            raise PydanticCustomError("alerts", "alerts.chat, the id of the chat that Telegram is to write to")
        return self


class HealthSettings(Section):
    """A dead man's switch: an address elsewhere that hears from us while all is well."""

    ping_url: SecretStr | None = None  # from TRADE_MCP_PING_URL only
    ping_every_s: Annotated[int, Field(ge=5, le=86400)] = 60  # real seconds
    ping_fail: bool = False  # true: while something is wrong, post the reasons to <ping_url>/fail instead of silence

    @field_validator("ping_url")
    @classmethod
    def _address(cls, value: SecretStr | None) -> SecretStr | None:
        return web_address(value)


class LogSettings(Section):
    """Logs go to stderr, and to one file for all programs of the desk if it is named; whoever fills it rotates it."""

    file: FilePath | None = None
    max_mb: Annotated[float, Field(gt=0, le=10_000)] = 20.0
    keep: Annotated[int, Field(ge=0, le=100)] = 3  # older files beside it


class ServerSettings(Section):
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8765
    toolsets: Annotated[tuple[Toolset, ...], BeforeValidator(listed)] | None = None  # None: all
    read_only: bool = False  # true: no tool that changes anything
    token: SecretStr | None = None  # from TRADE_MCP_SERVER_TOKEN only


class Settings(Section):
    """Everything that was set, checked. ``limits`` is the raw table; ``policy`` is what it means."""

    desk: DeskSettings = DeskSettings()
    feed: FeedSettings = FeedSettings()
    paper: PaperSettings = PaperSettings()
    loop: LoopSettings = LoopSettings()
    calendar: CalendarSettings = CalendarSettings()
    exits: ExitSettings = ExitSettings()
    strategies: dict[str, dict[str, Any]] = {}
    limits: dict[str, Any] = {}
    reports: ReportSettings = ReportSettings()
    mail: MailSettings = MailSettings()
    alerts: AlertSettings = AlertSettings()
    health: HealthSettings = HealthSettings()
    logs: LogSettings = LogSettings()
    retention: RetentionSettings = RetentionSettings()
    server: ServerSettings = ServerSettings()

    @cached_property
    def policy(self) -> "Policy":
        """The limits of this configuration. Raises BadConfig with the key's name."""
        from trade_mcp.risk.policy import check_written

        return check_written(self.limits)

    def channels(self) -> "dict[str, Channel]":
        """Where messages go: none until one is set up. Opened by the clerk, not at every start."""
        found: dict[str, Channel] = {}
        if (mail := self.mail).host is not None:
            from trade_mcp.channels.mail import Mail

            found["mail"] = Mail(
                host=mail.host,
                port=mail.at_port,
                tls=mail.tls,
                sender=mail.from_whom,
                to=mail.to,
                user=mail.user,
                password=secret("mail_password", mail.password) if mail.user else "",
                ca_file=None if mail.ca_file is None else str(mail.ca_file),
            )
        if url := secret("alerts_webhook_url", self.alerts.webhook_url):
            from trade_mcp.channels.webhook import Webhook

            found["webhook"] = Webhook(url=url, shape=self.alerts.webhook, chat=self.alerts.chat)
        return found

    @property
    def mode(self) -> Mode:
        """Whose money: "paper", "practice" (an exchange of ours on this machine), "testnet" or "live"."""
        if self.desk.venue == "paper":
            return "paper"
        if self.desk.practises:
            return "practice"
        return "testnet" if self.desk.sandbox else "live"

    @property
    def reports_folder(self) -> Path:
        """Where reports are kept."""
        return self.reports.folder or self.desk.data_dir / "reports"

    @property
    def exit_rules(self) -> ExitRules:
        """The exits of entries that bring none; those of ``[strategies.<name>.exits]`` for its own."""
        own = {name: table["exits"].rules for name, table in self.strategies.items() if "exits" in table}
        return structs.replace(self.exits.rules, strategies=own)

    @field_validator("strategies")
    @classmethod
    def _exits_of_strategies(cls, tables: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        return {name: table | _own_exits(name, table) for name, table in tables.items()}

    @property
    def active_strategies(self) -> dict[str, dict[str, Any]]:
        """The tables of every strategy that is on, by name; the default ones are on unless switched off."""
        tables: dict[str, dict[str, Any]] = {name: {} for name in DEFAULT_STRATEGIES} | self.strategies
        return {name: table for name, table in tables.items() if table.get("enabled", True)}

    def check_prices(self) -> None:
        """Raises BadConfig where the feed does not fit the desk."""
        desk, feed = self.desk, self.feed
        if feed.name != "ccxt":
            if self.mode in ("testnet", "live"):
                raise BadConfig(
                    f'feed.name = "{feed.name}": a real exchange is traded on its own prices',
                    hint='set feed.name = "ccxt"',
                )
            return
        if desk.exchange is None:
            raise BadConfig("desk.exchange is not set: whose prices?", hint='such as exchange = "binance" in [desk]')
        if desk.symbols is None:
            raise BadConfig(
                "desk.symbols is not set: an exchange has hundreds", hint='such as symbols = ["BTC/USDT"] in [desk]'
            )
        if feed.speed == "max" or (feed.speed != 1 and not desk.practises):
            raise BadConfig(
                f"feed.speed = {feed.speed}: live prices come at the speed of the clock",
                hint="leave it out; only a practice exchange on this machine goes faster",
            )

    def check_strategies(self) -> None:
        """Raises BadConfig for a strategy, parameter or weight that does not exist."""
        if not self.strategies and not self.loop.weights:
            return
        from trade_mcp.sources.voices import strategy_of  # loads numpy: only for those who configure one

        for name, table in self.strategies.items():
            if not STRATEGY.fullmatch(name):
                raise BadConfig(f"[strategies.{name!r}] is no name", hint="1 to 40 letters, digits, - . or _")
            if not isinstance(table.get("enabled", True), bool):
                raise BadConfig(f"strategies.{name}.enabled = {table['enabled']!r}: expected true or false")
            if (frame := table.get("timeframe")) is not None and frame not in TIMEFRAMES:
                raise BadConfig(f"strategies.{name}.timeframe = {frame!r}", hint=f"one of {', '.join(TIMEFRAMES)}")
            strategy_of(name, table, parameters(table))
        for name in self.loop.weights:
            if name not in self.active_strategies:
                raise BadConfig(
                    f"loop.weights.{name}: there is no such strategy, or it is off",
                    hint=f"on are: {', '.join(self.active_strategies)}",
                )


NOT_PARAMETERS = frozenset({"enabled", "exits", "kind", "file", "timeframe"})


def parameters(table: Mapping[str, Any]) -> dict[str, Any]:
    """What a strategy itself takes. It computes with floats: its numbers are statistics, not money."""
    return {key: _floats(value) for key, value in table.items() if key not in NOT_PARAMETERS}


def _floats(value: Any) -> Any:
    if isinstance(value, list):
        return [_floats(each) for each in value]
    if isinstance(value, Mapping):
        return {key: _floats(each) for key, each in value.items()}
    return float(value) if isinstance(value, Decimal) else value


def _own_exits(name: str, table: dict[str, Any]) -> dict[str, ExitSettings]:
    if "exits" not in table:
        return {}
    try:
        return {"exits": ExitSettings.model_validate(table["exits"])}
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, (name, "exits", *first["loc"])))
        raise PydanticCustomError("exits", "{key}: {said}", {"key": key, "said": first["msg"]}) from None
