"""Messages reach real servers, or it is said why not, without a secret, and whether later may help."""

import socket
from email import message_from_bytes
from email.message import Message as Letter
from pathlib import Path
from typing import Any

import pytest

from channels.servers import Hook, Letters, http, smtp
from trade_mcp.channels.mail import Mail
from trade_mcp.channels.webhook import Webhook
from trade_mcp.domain.errors import NotDelivered
from trade_mcp.ports import Message

MESSAGE = Message(
    "0190abc",
    "a subject\nwith a break",
    "the text",
    html="<p><img src='cid:chart-1'></p>",
    images={"chart-1": b"\x89PNG"},
)


def mail(port: int, ca: Path | None, **more: Any) -> Mail:
    given = {
        "to": ("a@example.org", "b@example.org"),
        "user": "me",
        "password": "a-good-password",
        "tls": "starttls",
    } | more
    return Mail(
        host="127.0.0.1",
        port=port,
        sender="desk@example.org",
        ca_file=None if ca is None else str(ca),
        timeout_s=2,
        **given,
    )


def failed(channel: Any) -> NotDelivered:
    with pytest.raises(NotDelivered) as error:
        channel.deliver(MESSAGE)
    return error.value


def test_a_letter_goes_to_everybody_with_its_page_and_picture(tmp_path: Path) -> None:
    letters = Letters()
    with smtp(tmp_path, letters) as (port, ca):
        mail(port, ca).deliver(MESSAGE)
    (envelope,) = letters.got
    assert envelope.rcpt_tos == ["a@example.org", "b@example.org"]
    letter: Letter = message_from_bytes(envelope.content)  # type: ignore[arg-type]
    assert letter["Message-ID"] == "<0190abc@trade-mcp>" and letter["Subject"] == "a subject with a break"
    assert [part.get_content_type() for part in letter.walk() if not part.is_multipart()] == [
        "text/plain",
        "text/html",
        "image/png",
    ]
    assert next(part for part in letter.walk() if part.get_content_type() == "image/png")["Content-ID"] == "<chart-1>"


def test_a_certificate_nobody_signed_is_refused(tmp_path: Path) -> None:
    letters = Letters()
    with smtp(tmp_path, letters) as (port, _):
        error = failed(mail(port, None))
    assert "certificate" in error.message and not letters.got


def test_a_wrong_password_is_said_and_not_shown(tmp_path: Path) -> None:
    with smtp(tmp_path, Letters()) as (port, ca):
        error = failed(mail(port, ca, password="a-wrong-password"))
    assert not error.retry and "user and password" in error.message and "a-wrong-password" not in error.message


def test_one_refused_recipient_is_named_and_the_others_have_it(tmp_path: Path) -> None:
    letters = Letters()
    letters.refuse["b@example.org"] = "550 unknown"
    with smtp(tmp_path, letters) as (port, ca):
        error = failed(mail(port, ca))
    assert "b@example.org" in error.message and not error.retry
    assert [envelope.rcpt_tos for envelope in letters.got] == [["a@example.org"]]


@pytest.mark.parametrize(("answer", "retry"), [("451 try later", True), ("554 no", False)])
def test_a_refusal_says_whether_later_may_help(tmp_path: Path, answer: str, retry: bool) -> None:
    letters = Letters()
    letters.answer = answer
    with smtp(tmp_path, letters) as (port, ca):
        assert failed(mail(port, ca)).retry is retry


def test_a_server_that_says_nothing_is_given_up_in_time() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        error = failed(mail(silent.getsockname()[1], None))
    assert error.retry


def test_a_server_that_is_not_there_may_be_later() -> None:
    assert failed(mail(1, None)).retry


@pytest.mark.parametrize(
    ("shape", "keys"),
    [
        ("plain", {"id", "severity", "subject", "text"}),
        ("slack", {"text"}),
        ("discord", {"content", "allowed_mentions"}),
    ],
)
def test_a_webhook_is_posted_in_its_shape(shape: Any, keys: set[str]) -> None:
    hook = Hook()
    with http(hook) as url:
        Webhook(url=url, shape=shape).deliver(MESSAGE)
    assert hook.got[0].keys() == keys
    assert any("the text" in str(value) for value in hook.got[0].values())


def test_telegram_gets_its_chat_and_no_more_than_it_takes() -> None:
    body = Webhook(url="http://localhost/", shape="telegram", chat="42").body(Message("1", "s", "x" * 9000))
    assert body["chat_id"] == "42" and len(body["text"]) == 4096


@pytest.mark.parametrize(("status", "retry"), [(500, True), (429, True), (404, False), (301, False)])
def test_a_webhook_that_answers_otherwise_says_so_without_its_address(status: int, retry: bool) -> None:
    hook = Hook()
    hook.status = status
    with http(hook) as url:
        error = failed(Webhook(url=url, shape="plain"))
    assert error.retry is retry and "a-secret-path" not in str(error)


def test_a_webhook_that_hangs_is_given_up_in_time() -> None:
    hook = Hook()
    hook.hang_s = 3
    with http(hook) as url:
        assert failed(Webhook(url=url, shape="plain", timeout_s=0.3)).retry
    assert failed(Webhook(url="not an address", shape="plain")).retry
