"""Webhooks against real servers that work, are down, answer garbage, trickle, and redirect."""

import logging
import time
from collections.abc import Iterator

import pytest

from mlops_assets.core.alerts.sinks import http
from mlops_assets.core.alerts.sinks.http import SlackSink, WebhookSink, slack_document
from mlops_assets.core.alerts.sinks.outcome import Outcome
from mlops_assets_tests.support.alerts.messages import message
from mlops_assets_tests.support.alerts.servers import HttpSinkServer, http_sink, talker


@pytest.fixture
def server() -> Iterator[HttpSinkServer]:
    with http_sink() as server:
        yield server


def test_a_message_is_posted_as_json_under_its_id_and_with_its_token(server: HttpSinkServer) -> None:
    server.status, server.body = 204, b""
    assert WebhookSink(server.address, "t0ken").send(message()) == Outcome("delivered")
    assert server.received == [message().to_json()]
    assert server.asked[0]["idempotency-key"] == "a1b2.1"
    assert server.asked[0]["authorization"] == "Bearer t0ken"
    assert "authorization" not in (WebhookSink(server.address).send(message()) and server.asked[1])


def test_slack_gets_plain_text_in_which_nothing_is_markup(server: HttpSinkServer) -> None:
    evil = message(subject="<!channel> *x* & <http://evil|click>", reason="`<@U1>` failed", value=0.25)
    assert SlackSink(server.address).send(evil) == Outcome("delivered")
    (posted,) = server.received
    assert posted["text"].endswith("drift: &lt;!channel&gt; *x* &amp; &lt;http://evil|click&gt;")
    assert posted["mrkdwn"] is False
    assert {block["text"]["type"] for block in posted["blocks"]} == {"plain_text"}
    assert "`<@U1>` failed\nvalue: 0.25" in posted["blocks"][1]["text"]["text"]


def test_what_slack_gets_keeps_its_limits() -> None:
    header, section = slack_document(message(subject="s" * 5000, reason="r" * 5000))["blocks"]
    assert len(header["text"]["text"]) == 150
    assert len(section["text"]["text"]) <= 3000


def test_slack_must_say_that_it_has_it(server: HttpSinkServer) -> None:
    server.body = b"<html>Log in to the hotel's network</html>"
    outcome = SlackSink(server.address).send(message())
    assert outcome.state == "down"
    assert "the answer is not 'ok'" in outcome.remark


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (503, {}, Outcome("down", "HTTP 503")),
        (429, {"Retry-After": "120"}, Outcome("down", "HTTP 429", 120.0)),
        (429, {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, Outcome("down", "HTTP 429")),
        (404, {}, Outcome("down", "HTTP 404")),
        (400, {}, Outcome("refused", "HTTP 400")),
    ],
)
def test_an_error_says_whether_it_is_about_the_message_or_the_sink(
    server: HttpSinkServer, status: int, headers: dict[str, str], expected: Outcome
) -> None:
    server.status, server.headers = status, headers
    assert WebhookSink(server.address).send(message()) == expected


def test_a_redirect_carries_nothing_elsewhere(server: HttpSinkServer) -> None:
    with http_sink() as other:
        server.status, server.headers = 307, {"Location": other.address}
        outcome = WebhookSink(server.address, "t0ken").send(message())
        assert (outcome.state, other.asked) == ("down", [])
    assert "redirect is not followed" in outcome.remark


def test_who_does_not_listen_or_understand_is_down_and_no_secret_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    assert WebhookSink("http://127.0.0.1:1/hook?token=hush").send(message()) == Outcome(
        "down", "ConnectError"
    )
    with talker(b"220 this is a mail server\r\n") as port:
        outcome = WebhookSink(f"http://127.0.0.1:{port}/hook?token=hush", "t0ken").send(message())
    assert outcome == Outcome("down", "RemoteProtocolError")
    assert WebhookSink("http://[nowhere/hush").send(message()).state == "down"
    told = caplog.text + repr(WebhookSink("http://h/hush", "t0ken")) + repr(SlackSink("http://h/hush"))
    assert "hush" not in told
    assert "t0ken" not in told


def test_an_answer_that_trickles_ends_in_time(
    server: HttpSinkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "TOTAL_SECONDS", 0.4)
    server.trickles = True
    began = time.monotonic()
    assert WebhookSink(server.address).send(message()) == Outcome("down", "no answer within 0.4 s")
    assert time.monotonic() - began < 3
