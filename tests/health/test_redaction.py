"""No secret reaches a log line, in whatever field, traceback or address it stands."""

import json
from pathlib import Path

import pytest

from health.logging_program import lines_of
from trade_mcp.logs.redact import redacted, without_secrets

SECRET = 'p4ss/w"ord\\of mine'
SET = {"TRADE_MCP_MAIL_PASSWORD": SECRET}


def test_a_known_secret_is_hidden_in_every_form_it_takes(tmp_path: Path) -> None:
    said = lines_of(
        tmp_path,
        """
        from urllib.parse import quote
        secret = os.environ["TRADE_MCP_MAIL_PASSWORD"]
        log.info(f"in the text {secret}", field=secret, deep={"list": [{"x": secret}]}, quoted=quote(secret, safe=""))
        logging.getLogger("other").warning("of another library: %r", secret)
        """,
        **SET,
    )
    assert len(said) == 2
    assert_hidden(said)
    assert said[0]["field"] == "[hidden]"


def test_a_traceback_that_holds_the_secret_in_its_message_and_locals(tmp_path: Path) -> None:
    said = lines_of(
        tmp_path,
        """
        import threading
        class Refused(Exception): pass
        def login(password):
            given = {"password": password}
            raise Refused(f"server said no to {given}")
        def fails():
            login(os.environ["TRADE_MCP_MAIL_PASSWORD"])
        try:
            fails()
        except Refused as error:
            frame = error.__traceback__.tb_next.tb_next.tb_frame
            logs.incident("login failed", error, names=frame.f_locals, text=repr(frame.f_locals))
        thread = threading.Thread(target=fails)
        thread.start()
        thread.join()
        """,
        **SET,
    )
    assert [line["event"] for line in said] == ["login failed", "a thread broke"]
    assert all("Traceback" in line["exception"] and "[hidden]" in line["exception"] for line in said)
    assert_hidden(said)


def test_a_person_at_a_terminal_sees_no_secret_either(tmp_path: Path) -> None:
    said = lines_of(tmp_path, 'log.info("x", field=os.environ["TRADE_MCP_MAIL_PASSWORD"])', json=False, **SET)
    assert_hidden(said)
    assert "[hidden]" in said[0]["text"]


def test_an_address_with_a_token_is_logged_without_it(tmp_path: Path) -> None:
    """httpx logs every address it asks; those of chats and pings are secrets themselves."""
    said = lines_of(
        tmp_path,
        """
        import httpx2
        for url in sys.argv[1:]:
            try:
                httpx2.get(url, timeout=0.2)
            except httpx2.HTTPError:
                pass
            log.info("asked", url=url)
        """,
        "http://me:hunter22@127.0.0.1:1/feed?day=2&api_key=abcdef123456",
        "http://127.0.0.1:1/bot123456:AAE-abc_def/sendMessage",
        "https://hooks.slack.com.invalid/services/T0/B0/xyz",
        "https://hc-ping.com.invalid/2f3d4c5b-aaaa-bbbb-cccc-000000000001",
    )
    told = json.dumps(said)
    for secret in ("hunter22", "abcdef123456", "AAE-abc"):
        assert secret not in told
    assert "day=2" in told


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://hooks.slack.com/services/T0/B0/xyz now", "https://hooks.slack.com/services/[hidden] now"),
        ("https://discord.com/api/webhooks/12/ab-c", "https://discord.com/api/webhooks/[hidden]"),
        ("https://hc-ping.com/2f3d/fail", "https://hc-ping.com/[hidden]"),
        ("https://x.test/?access_token=abc#top", "https://x.test/?access_token=[hidden]#top"),
        ("{'authorization': 'Bearer abcdefgh'}", "{'authorization': 'Bearer [hidden]'}"),
        ("https://x.test/path?symbol=BTC&limit=5", "https://x.test/path?symbol=BTC&limit=5"),
        ("a basic thing, at 10:30", "a basic thing, at 10:30"),
    ],
)
def test_what_looks_like_a_secret_is_hidden_and_nothing_else(text: str, shown: str) -> None:
    assert redacted(text) == shown


def test_a_field_is_hidden_by_its_name_however_deep() -> None:
    fields = {"headers": [{"Authorization": "x"}], "exchange_secret": "y", "ping_url": "z", "order_id": "kept"}
    assert without_secrets(fields) == {
        "headers": [{"Authorization": "[hidden]"}],
        "exchange_secret": "[hidden]",
        "ping_url": "[hidden]",
        "order_id": "kept",
    }


def assert_hidden(said: list[dict[str, str]]) -> None:
    told = json.dumps(said) + repr(said)
    for part in ("p4ss", "ord\\of", "of mine"):
        assert part not in told
