"""Mail through a real server of SMTP: encrypted, refused, down, slow, and with headers that nobody adds to."""

import ssl
from dataclasses import replace
from email.header import decode_header, make_header
from pathlib import Path

import pytest
import trustme

from mlops_assets.core.alerts.sinks import email
from mlops_assets.core.alerts.sinks.email import EmailSink
from mlops_assets.core.alerts.sinks.outcome import Outcome
from mlops_assets_tests.support.alerts.messages import message
from mlops_assets_tests.support.alerts.servers import smtp_sink, talker

PLAIN = EmailSink(
    "127.0.0.1", 1, "mlops@example.com", ("ann@example.com", "bo@example.com"), security="plain"
)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server_side(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path) -> Path:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path / "ca.pem"


def test_a_mail_says_it_all_and_stands_in_its_thread() -> None:
    with smtp_sink() as (taken, port):
        sink = replace(PLAIN, port=port)
        assert sink.send(message(value=0.25, link="http://ui/runs/1")) == Outcome("delivered")
        assert sink.send(message(kind="resolved", id="a1b2.2")) == Outcome("delivered")
    first, second = taken.mails
    assert first["Subject"] == "[warning] fraud_detection: drift: amount_usd"
    assert (first["From"], first["To"]) == ("mlops@example.com", "ann@example.com, bo@example.com")
    assert first["Message-ID"] == second["In-Reply-To"] == "<a1b2.1@example.com>"
    assert first["Auto-Submitted"] == "auto-generated"
    assert taken.recipients[0] == ["ann@example.com", "bo@example.com"]
    text = first.get_payload(decode=True).decode()
    assert "it has moved" in text
    assert "link: http://ui/runs/1" in text


def test_no_subject_adds_a_header_or_a_recipient() -> None:
    evil = message(
        subject="x\r\nBcc: all@example.com\r\nX-Extra: 1\r\n\r\nbody",
        reason="a\r\n.\r\nQUIT",
        product="ä\u2028b",
    )
    with smtp_sink() as (taken, port):
        assert replace(PLAIN, port=port).send(evil) == Outcome("delivered")
    (mail,) = taken.mails
    assert mail["Bcc"] is None
    assert taken.recipients == [["ann@example.com", "bo@example.com"]]
    assert "X-Extra" not in mail
    assert "Bcc: all@example.com" in str(make_header(decode_header(mail["Subject"])))


def test_starttls_and_tls_encrypt_and_check_the_certificate(
    server_side: ssl.SSLContext, trusted: Path
) -> None:
    for given in ({"starttls": server_side}, {"tls": server_side}):
        with smtp_sink(**given) as (taken, port):
            sink = replace(PLAIN, port=port, security=next(iter(given)), ca_file=trusted)
            assert sink.send(message()) == Outcome("delivered")
            assert replace(sink, ca_file=None).send(message()) == Outcome("down", "SSLCertVerificationError")
        assert taken.was_encrypted == ["starttls" in given]  # with tls there is nothing else


def test_a_server_without_starttls_gets_nothing_in_the_clear() -> None:
    with smtp_sink() as (taken, port):
        sink = replace(PLAIN, port=port, security="starttls", user="mlops", password="hush")
        assert sink.send(message()) == Outcome("down", "SMTPNotSupportedError")
    assert taken.mails == []


def test_a_password_is_used_and_a_wrong_one_told_without_it(
    server_side: ssl.SSLContext, trusted: Path
) -> None:
    with smtp_sink(starttls=server_side, password=b"hush") as (taken, port):
        sink = replace(PLAIN, port=port, security="starttls", ca_file=trusted, user="mlops", password="hush")
        assert sink.send(message()) == Outcome("delivered")
        wrong = replace(sink, password="guessed").send(message())
    assert taken.users
    assert wrong == Outcome("down", "SMTPAuthenticationError: SMTP 535")
    assert "hush" not in repr(sink)


def test_what_the_server_refuses_is_told() -> None:
    with smtp_sink() as (taken, port):
        sink = replace(PLAIN, port=port)
        taken.refused = {"bo@example.com"}
        assert sink.send(message()) == Outcome("delivered", "1 of 2 recipients were refused")
        taken.refused = {"ann@example.com", "bo@example.com"}
        assert sink.send(message()) == Outcome("down", "the server refuses every recipient")
        taken.refused, taken.answer = set(), "554 looks like spam"
        assert sink.send(message()) == Outcome("refused", "SMTPDataError: SMTP 554")


def test_who_does_not_listen_or_speak_is_down_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert PLAIN.send(message()) == Outcome("down", "ConnectionRefusedError")
    with talker(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        assert replace(PLAIN, port=port).send(message()).state == "down"
    monkeypatch.setattr(email, "TOTAL_SECONDS", 0.3)
    with talker(b"220-wait") as port:
        assert replace(PLAIN, port=port).send(message()) == Outcome("down", "no answer within 0.3 s")
