"""How alerts stand: what keeps people from being told is said in sentences."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from mlops_assets.core.alerts.lifecycle import Key
from mlops_assets.core.alerts.outbox import FILE, LOOKED_AT, Outbox, SinkHealth
from mlops_assets.core.alerts.standing import LATE_AFTER, AlertStanding
from mlops_assets_tests.support.alerts.messages import NOON, firing

MINUTE = timedelta(minutes=1)


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / FILE)


def put(outbox: Outbox, subject: str, *, minutes: int = 0, to: tuple[str, ...] = ("mail",)) -> None:
    at = NOON + minutes * MINUTE
    outbox.record(
        [firing(Key("p", "drift", subject), value=0.4, limit=0.2)],
        now=at,
        new_id=lambda: f"alert-{subject}",
        route=lambda _: to,
        notes={LOOKED_AT: at.isoformat()},
    )


def test_a_home_without_an_outbox_has_nothing_and_no_problem(outbox: Outbox) -> None:
    standing = AlertStanding.read(outbox)
    assert standing == AlertStanding()
    assert standing.to_json(now=NOON) == {"open": [], "waiting": [], "looked_at": None, "problems": []}
    assert not outbox.file.exists()


def test_what_is_open_and_waits_is_shown(outbox: Outbox) -> None:
    put(outbox, "a")
    put(outbox, "b", minutes=1, to=())
    standing = AlertStanding.read(outbox)
    assert list(standing.problems(now=NOON)) == []
    shown = json.loads(json.dumps(standing.to_json(now=NOON + MINUTE + LATE_AFTER)))
    assert [(one["alert_id"], one["subject"], one["value"]) for one in shown["open"]] == [
        ("alert-b", "b", 0.4),
        ("alert-a", "a", 0.4),
    ]
    assert [(one["sink"], one["message_id"], one["attempts"]) for one in shown["waiting"]] == [
        ("mail", "alert-a.1", 0)
    ]
    assert shown["problems"] == ["1 message waits for sink mail"]


def test_a_sink_that_is_down_is_said_with_its_answer(outbox: Outbox) -> None:
    put(outbox, "a")
    for _ in range(2):
        (one,) = outbox.waiting()
        outbox.failed(one, now=NOON, next_at=NOON + MINUTE, remark="HTTP 503", is_down=True)
    (told,) = AlertStanding.read(outbox).problems(now=NOON)
    assert told == (
        "1 message waits for sink mail, which has taken none since 2026-05-04 12:00 UTC and is down: HTTP 503"
    )


def test_what_was_dropped_and_that_nobody_looks_is_said() -> None:
    health = {"mail": SinkHealth("mail", 0, None, None, "", 3)}
    standing = AlertStanding(health=health, looked_at=NOON)
    assert list(standing.problems(now=NOON + LATE_AFTER)) == [
        "3 messages for sink mail were dropped, since too many waited"
    ]
    assert "nobody looked since 2026-05-04 12:00 UTC" in next(standing.problems(now=NOON + 2 * LATE_AFTER))
    assert list(AlertStanding(unreadable="it is damaged").problems(now=NOON)) == ["it is damaged"]
