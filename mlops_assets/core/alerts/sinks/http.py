"""Webhooks: a JSON document of our own, and Slack's format."""

import logging
from dataclasses import dataclass, field
from typing import Any

from mlops_assets.core.alerts.message import Message, one_line
from mlops_assets.core.alerts.sinks.outcome import Outcome
from mlops_assets.core.runtime.patience import ask_within

TIMEOUT_SECONDS = 5.0
"""For a connection, and for each part of an answer."""
TOTAL_SECONDS = 10.0
"""For an attempt as a whole, however slowly the answer trickles."""
LONGEST_ANSWER = 4_096
"""Bytes of an answer that are looked at."""
_NOT_THIS_ONE = frozenset({400, 413, 415, 422})
"""Answers about one message; any other error is about the sink."""
_SLACK_SECTION = 2_900
"""Characters; Slack takes 3,000 in a section."""


@dataclass(frozen=True)
class WebhookSink:
    """Posts `Message.to_json` to an address; any answer of 200 to 299 is a delivery."""

    address: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    """Sent as a bearer token."""

    def send(self, message: Message) -> Outcome:
        """Post the message; its id is also the header Idempotency-Key."""
        headers = {"Idempotency-Key": message.id}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        return post(self.address, message.to_json(), headers=headers)


@dataclass(frozen=True)
class SlackSink:
    """Posts to an incoming webhook of Slack, or of what takes the same (Mattermost); the answer must be `ok`."""

    address: str = field(repr=False)

    def send(self, message: Message) -> Outcome:
        """Post the message."""
        return post(self.address, slack_document(message), headers={}, expected="ok")


def slack_document(message: Message) -> dict[str, Any]:
    """Return the message as Slack shows it: plain text, in which nothing is markup, a mention or a link."""
    facts = "\n".join(f"{name}: {text}" for name, text in message.facts.items())
    body = f"{one_line(message.reason)}\n{facts}"[:_SLACK_SECTION]
    return {
        "text": escaped_for_slack(message.title),
        "mrkdwn": False,
        "blocks": [_plain("header", message.title[:150]), _plain("section", body)],
    }


def escaped_for_slack(text: str) -> str:
    """Return text in which Slack sees no control sequence: no mention, no link (Slack's own three replacements)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def post(
    address: str, document: dict[str, Any], *, headers: dict[str, str], expected: str | None = None
) -> Outcome:
    """Post JSON once, and say what came of it; `expected` is the only text of an answer that counts as a delivery.

    A redirect is not followed: it could carry what the address or a header holds to another host.
    """
    try:
        return ask_within(TOTAL_SECONDS, lambda: _post(address, document, headers, expected))
    except TimeoutError:
        return Outcome("down", f"no answer within {TOTAL_SECONDS:g} s")


def _post(address: str, document: dict[str, Any], headers: dict[str, str], expected: str | None) -> Outcome:
    import httpx

    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every address at INFO
    try:
        with (
            httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False) as client,
            client.stream("POST", address, json=document, headers=headers) as response,
        ):
            text = _beginning(response.iter_bytes()) if expected is not None else ""
            return _outcome(response.status_code, text, expected, response.headers.get("retry-after", ""))
    except Exception as error:  # a sink never raises; messages of httpx can hold the address
        return Outcome("down", type(error).__name__)


def _beginning(parts: Any) -> str:  # an iterator of bytes
    content = b""
    for part in parts:
        content += part
        if len(content) >= LONGEST_ANSWER:
            break
    return content[:LONGEST_ANSWER].decode("utf-8", "replace").strip()


def _outcome(status: int, text: str, expected: str | None, retry_after: str) -> Outcome:
    if 200 <= status < 300:
        if expected is None or text == expected:
            return Outcome("delivered")
        return Outcome(
            "down", f"HTTP {status}, but the answer is not {expected!r}: is this the right address?"
        )
    if 300 <= status < 400:
        return Outcome("down", f"HTTP {status}: a redirect is not followed, give the final address")
    seconds = float(retry_after) if retry_after.isdecimal() else None
    return Outcome("refused" if status in _NOT_THIS_ONE else "down", f"HTTP {status}", seconds)


def _plain(kind: str, text: str) -> dict[str, Any]:
    return {"type": kind, "text": {"type": "plain_text", "text": text, "emoji": False}}
