"""Messages reach real servers, or it is said why not, without a secret, and whether later may help."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import trustme
from msgspec import structs

from channels.servers import Hook, Letters, http, smtp
from trade_mcp.channels.mail import Mail
from trade_mcp.channels.webhook import Webhook
from trade_mcp.domain.errors import NotDelivered
from trade_mcp.ports import Message

PASSWORD = "a-good-password"
MESSAGE = Message(
    "0190abc",
    "a subject\nwith a break",
    "the text",
    html="<p><img src='cid:chart-1'></p>",
    images={"chart-1": b"\x89PNG"},
)


def mail(port: int, ca: Path | None, **more: Any) -> Mail:
    given = {
        "host": "127.0.0.1",
        "to": ("a@example.org", "b@example.org"),
        "user": "me",
        "password": PASSWORD,
        "tls": "starttls",
        "within_s": 5,
    } | more
    return Mail(port=port, sender="desk@example.org", ca_file=None if ca is None else str(ca), **given)


def failed(channel: Any, message: Message = MESSAGE) -> NotDelivered:
    with pytest.raises(NotDelivered) as error:
        channel.deliver(message)
    assert PASSWORD not in str(error.value) and PASSWORD not in repr(channel)
    return error.value


@contextmanager
def dripping(what: bytes) -> Iterator[int]:
    """A server that sends ``what`` byte by byte, again and again, and never a whole line; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            with suppress(OSError):
                line, _ = server.accept()
                while True:
                    for byte in what:
                        line.sendall(bytes([byte]))
                        time.sleep(0.05)

        threading.Thread(target=drip, daemon=True).start()
        yield server.getsockname()[1]


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_a_letter_goes_to_everybody_with_its_page_and_picture(tmp_path: Path, tls: str) -> None:
    letters = Letters()
    with smtp(tmp_path, letters, tls=tls) as (port, ca):
        mail(port, ca, tls=tls).deliver(structs.replace(MESSAGE, severity="critical"))
    (envelope,) = letters.got
    assert envelope.rcpt_tos == ["a@example.org", "b@example.org"]
    letter = message_from_bytes(envelope.content or b"", policy=policy.default)
    assert isinstance(letter, EmailMessage)
    assert letter["Message-ID"] == "<0190abc@trade-mcp>" and letter["Subject"] == "a subject with a break"
    assert letter["Importance"] == "high"
    kinds = [part.get_content_type() for part in letter.walk() if not part.is_multipart()]
    assert kinds == ["text/plain", "text/html", "image/png"]
    picture = next(part for part in letter.walk() if part.get_content_type() == "image/png")
    assert picture["Content-ID"] == "<chart-1>" and picture.get_content() == b"\x89PNG"
    assert picture.get_content_disposition() == "inline", "else a mail client lists it below the page"


def test_only_those_who_have_not_got_it_get_it(tmp_path: Path) -> None:
    letters = Letters()
    with smtp(tmp_path, letters) as (port, ca):
        mail(port, ca).deliver(structs.replace(MESSAGE, to=("b@example.org",)))
    assert letters.got[0].rcpt_tos == ["b@example.org"]


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_a_certificate_nobody_signed_is_refused(tmp_path: Path, tls: str) -> None:
    letters = Letters()
    with smtp(tmp_path, letters, tls=tls) as (port, _):
        error = failed(mail(port, None, tls=tls))
    assert "certificate of 127.0.0.1 is not trusted" in error.message and error.fault == "channel" and not letters.got


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_a_certificate_of_another_host_is_refused(tmp_path: Path, tls: str) -> None:
    letters = Letters()
    with smtp(tmp_path, letters, tls=tls, certified="mail.example.org") as (port, ca):
        error = failed(mail(port, ca, tls=tls))
    assert "not trusted" in error.message and "127.0.0.1" in error.message and not letters.got


def test_an_authority_that_is_no_file_is_said(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in failed(mail(1, tmp_path / "none.pem")).message
    (tmp_path / "odd.pem").write_text("no certificate")
    assert "cannot be read: it holds no certificate" in failed(mail(1, tmp_path / "odd.pem")).message


def test_a_server_without_encryption_gets_neither_password_nor_letter(tmp_path: Path) -> None:
    letters = Letters()
    with smtp(tmp_path, letters, tls="off") as (port, ca):
        error = failed(mail(port, ca))
        assert error.fault == "channel" and "STARTTLS" in error.message
        error = failed(mail(port, ca, tls="tls"))
        assert error.fault == "channel" and "TLS" in error.message
    assert not letters.got and not letters.logins


def test_a_server_of_this_machine_may_do_without(tmp_path: Path) -> None:
    letters = Letters()
    with smtp(tmp_path, letters, tls="off") as (port, _):
        mail(port, None, tls="off", user="", password="").deliver(MESSAGE)
    assert len(letters.got) == 1


def test_a_wrong_or_missing_password_is_said_and_not_shown(tmp_path: Path) -> None:
    with smtp(tmp_path, Letters()) as (port, ca):
        error = failed(mail(port, ca, password="a-wrong-password"))
        assert error.fault == "channel"  # a person mends it, and then everything goes out
        assert "user and password" in error.message and "a-wrong-password" not in str(error)
        assert "TRADE_MCP_MAIL_PASSWORD" in str(failed(mail(port, ca, password="")))


def test_one_refused_recipient_is_named_and_the_others_have_it(tmp_path: Path) -> None:
    letters = Letters()
    letters.refuse["b@example.org"] = "550 unknown"
    with smtp(tmp_path, letters) as (port, ca):
        error = failed(mail(port, ca))
    assert "b@example.org (550); the others have it" in error.message and error.fault == "final"
    assert [envelope.rcpt_tos for envelope in letters.got] == [["a@example.org"]]


def test_who_is_refused_for_now_is_left_for_later_alone(tmp_path: Path) -> None:
    letters = Letters()
    letters.refuse["b@example.org"] = "450 greylisted"
    with smtp(tmp_path, letters) as (port, ca):
        error = failed(mail(port, ca))
    assert (error.fault, error.left) == ("passing", ("b@example.org",))


@pytest.mark.parametrize(("answer", "fault"), [("450 later", "passing"), ("550 never", "final")])
def test_if_all_are_refused_nobody_has_it(tmp_path: Path, answer: str, fault: str) -> None:
    letters = Letters()
    letters.refuse = {"a@example.org": answer, "b@example.org": answer}
    with smtp(tmp_path, letters) as (port, ca):
        error = failed(mail(port, ca))
    assert (error.fault, error.left) == (fault, ()) and "the others" not in error.message


@pytest.mark.parametrize(("answer", "fault"), [("451 try later", "passing"), ("554 no", "final")])
def test_a_refusal_says_whether_later_may_help(tmp_path: Path, answer: str, fault: str) -> None:
    letters = Letters()
    letters.answer = answer
    with smtp(tmp_path, letters) as (port, ca):
        assert failed(mail(port, ca)).fault == fault


def test_a_refused_sender_is_somebodys_to_mend(tmp_path: Path) -> None:
    letters = Letters()
    letters.sender = "553 not yours"
    with smtp(tmp_path, letters) as (port, ca):
        error = failed(mail(port, ca))
    assert error.fault == "channel" and "desk@example.org (553)" in error.message


def test_a_server_that_says_nothing_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = failed(mail(silent.getsockname()[1], None, within_s=0.3))
    assert error.fault == "channel" and "did not answer in time" in error.message


@pytest.mark.parametrize("what", [b"220-", b"220 x"])
def test_a_server_that_drips_is_given_up_in_time(what: bytes) -> None:
    began = time.monotonic()
    with dripping(what) as port:
        error = failed(mail(port, None, within_s=0.5))
    assert error.fault == "channel" and time.monotonic() - began < 10


def test_one_that_hangs_after_it_took_the_letter_has_it(tmp_path: Path) -> None:
    letters = Letters()
    letters.goodbye_s = 4
    began = time.monotonic()
    with smtp(tmp_path, letters) as (port, ca):
        mail(port, ca).deliver(MESSAGE)
        assert time.monotonic() - began < 3.8
    assert len(letters.got) == 1


def test_a_server_that_is_not_there_may_be_later() -> None:
    error = failed(mail(1, None))
    assert error.fault == "channel" and "the connection was refused" in error.message
    assert failed(mail(25, None, host="nowhere.invalid", within_s=10)).fault == "channel"


@pytest.mark.parametrize(
    ("shape", "keys"),
    [
        ("plain", {"id", "severity", "subject", "text"}),
        ("slack", {"text"}),
        ("discord", {"content", "allowed_mentions"}),
        ("telegram", {"chat_id", "text", "disable_web_page_preview"}),
    ],
)
def test_a_webhook_is_posted_in_its_shape(shape: Any, keys: set[str]) -> None:
    hook = Hook()
    with http(hook) as url:
        Webhook(url=url, shape=shape, chat="42").deliver(MESSAGE)
    assert hook.got[0].keys() == keys
    assert any("the text" in str(value) for value in hook.got[0].values())


@pytest.mark.parametrize(("shape", "longest"), [("slack", 3000), ("discord", 2000), ("telegram", 4096)])
def test_no_more_is_said_than_they_take_and_it_is_seen(shape: Any, longest: int) -> None:
    body = Webhook(url="http://localhost/", shape=shape, chat="42").body(Message("1", "s", "x" * 9000))
    (said,) = (value for value in body.values() if str(value).startswith("s"))
    assert len(said) == longest and said.endswith("…")


def test_what_others_wrote_calls_nobody() -> None:
    message = Message("1", "s", "<!channel> & @everyone")
    slack = Webhook(url="http://localhost/", shape="slack").body(message)
    assert slack["text"].endswith("&lt;!channel&gt; &amp; @everyone")
    assert Webhook(url="http://localhost/", shape="discord").body(message)["allowed_mentions"] == {"parse": []}


@pytest.mark.parametrize(
    ("status", "fault"), [(500, "channel"), (429, "channel"), (404, "channel"), (301, "channel"), (400, "final")]
)
def test_a_webhook_that_answers_otherwise_says_so_without_its_address(
    status: int, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    hook = Hook()
    hook.status = status
    with http(hook) as url, caplog.at_level("DEBUG"):
        error = failed(channel := Webhook(url=url, shape="plain"))
    assert error.fault == fault and str(status) in error.message
    assert "a-secret-path" not in str(error) + repr(channel) + caplog.text


def test_a_webhook_that_hangs_or_drips_is_given_up_in_time() -> None:
    hook = Hook()
    hook.hang_s = 2
    with http(hook) as url:
        assert "in time" in failed(Webhook(url=url, shape="plain", within_s=0.3)).message
    with dripping(b"HTTP/1.1 200 OK\r\nx: y\r\n") as port:
        assert "in time" in failed(Webhook(url=f"http://127.0.0.1:{port}/", shape="plain", within_s=0.5)).message
    assert failed(Webhook(url="not an address", shape="plain")).fault == "channel"


def test_a_webhook_with_a_certificate_nobody_signed_gets_nothing(tmp_path: Path) -> None:
    hook, context = Hook(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with http(hook, context) as url:
        assert failed(Webhook(url=url, shape="plain")).fault == "channel"
    assert hook.got == []
