"""A live desk, as far as one can be had without money: a practice exchange at an address that passes for a real one."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from practice.running import Running, running
from server.serving import environment
from trade_mcp.app import App, build
from trade_mcp.settings import load_settings
from venues.practised import SECRET, new_key

NAME = "savings"
SYMBOL = "BTC/USDT"
PHRASE = "correct horse battery staple"


class Live(Struct):
    """Where it trades, its folder and the environment of its programs."""

    exchange: Running
    folder: Path
    env: dict[str, str]
    file: Path

    def desk(self, program: str = "tick", **limits: Any) -> App:
        """The desk in this process."""
        ours = {name: value for name, value in self.env.items() if name.startswith("TRADE_MCP_")}
        app = build(load_settings(self.file, env=ours), program)
        app.heartbeats.beat("watch", {})
        return app


@contextmanager
def live(folder: Path, *, permissions: str = "", practice: bool = False, **limits: Any) -> Iterator[Live]:
    with running(folder) as exchange:
        url = exchange.url if practice else f"http://0.0.0.0:{exchange.port}"
        file = folder / "trade-mcp.toml"
        text = f'[desk]\nvenue = "ccxt"\nexchange = "binance"\naccount = "{NAME}"\nsymbols = ["{SYMBOL}"]\n'
        text += '[feed]\nname = "ccxt"\nstreaming = false\n[limits]\nstage = { "*" = "full" }\n'
        file.write_text(text + "".join(f"{key} = {json.dumps(value)}\n" for key, value in limits.items()))
        env = environment(
            folder,
            TRADE_MCP_EXCHANGE_KEY=new_key(exchange, permissions=permissions),
            TRADE_MCP_EXCHANGE_SECRET=SECRET,
            TRADE_MCP_EXCHANGE_URL=url,
        )
        yield Live(exchange, folder, env, file)
