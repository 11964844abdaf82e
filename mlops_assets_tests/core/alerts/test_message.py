"""What a message says, and what it never does."""

import json
from datetime import timedelta

import pytest

from mlops_assets.core.alerts.message import MAXIMUM_TEXT, one_line
from mlops_assets_tests.support.alerts.messages import NOON, message


def test_a_message_is_one_title_with_its_facts() -> None:
    one = message(kind="worse", value=0.25, limit=0.2, window="2026-05-03", runbook="docs/page.md")
    assert one.title == "[warning] worse: fraud_detection: drift: amount_usd"
    assert one.facts == {
        "value": "0.25",
        "limit": "0.2",
        "window": "2026-05-03",
        "since": "2026-05-04 12:00 UTC",
        "runbook": "docs/page.md",
        "id": "a1b2.1",
    }
    assert message(product="", rule="sink_down", subject="mail").title == "[warning] sink_down: mail"


def test_its_json_names_everything_but_where_it_goes() -> None:
    told = message(at=NOON + timedelta(minutes=1), sinks=("oncall",)).to_json()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert (told["format"], told["id"], told["alert_id"], told["kind"]) == (1, "a1b2.1", "a1b2", "opened")
    assert told["at"] == "2026-05-04T12:01:00+00:00"
    assert "oncall" not in json.dumps(told)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\r\nBcc: all@example.com", "two Bcc: all@example.com"),
        ("a\x1b[31mb\u202ec", "a�[31mb�c"),
        ("postgresql://user:hunter2@host/db?key=hush", "postgresql://***@host/db?key=***"),
        ("x" * 700, "x" * (MAXIMUM_TEXT - 1) + "…"),
    ],
)
def test_text_is_one_line_without_credentials_and_hidden_characters(text: str, shown: str) -> None:
    assert one_line(text) == shown
