"""Open alerts and undelivered messages, as numbers."""

from datetime import timedelta
from pathlib import Path

import pytest

from mlops_assets.core.alerts import outbox as outboxes
from mlops_assets.core.alerts.lifecycle import Key
from mlops_assets.core.alerts.outbox import FILE, LOOKED_AT, Outbox
from mlops_assets.core.errors import AlertError
from mlops_assets.core.exporter.alert_metrics import METRICS, alert_samples
from mlops_assets_tests.support.alerts.messages import NOON, firing
from mlops_assets_tests.support.exporter import numbers

MINUTE = timedelta(minutes=1)


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / FILE)


def put(outbox: Outbox, subject: str, *, minutes: int = 0, to: tuple[str, ...] = ("mail",)) -> None:
    at = NOON + minutes * MINUTE
    outbox.record(
        [firing(Key("shop", "drift", subject))],
        now=at,
        new_id=lambda: f"alert-{subject}",
        route=lambda _: to,
        notes={LOOKED_AT: at.isoformat()},
    )


def test_without_an_outbox_nothing_is_open_and_none_is_made(outbox: Outbox) -> None:
    found = numbers(alert_samples(outbox))
    assert found == {("mlops_alerts_open", severity): 0 for severity in ("info", "warning", "critical")}
    assert not outbox.file.exists()


def test_what_is_open_waits_fails_and_was_given_up_is_counted(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outboxes, "MAXIMUM_WAITING", 2)
    put(outbox, "a", to=("mail", "pager"))
    for number in (1, 2, 3):
        put(outbox, f"b{number}", minutes=number)
    failed = next(one for one in outbox.waiting() if one.sink == "mail")
    outbox.failed(failed, now=NOON, next_at=NOON + MINUTE, remark="HTTP 503", is_down=True)
    assert numbers(alert_samples(outbox)) == {
        ("mlops_alerts_open", "info"): 0,
        ("mlops_alerts_open", "warning"): 4,
        ("mlops_alerts_open", "critical"): 0,
        ("mlops_alert_messages_waiting", "mail"): 2,
        ("mlops_alert_messages_waiting", "pager"): 1,
        ("mlops_alert_oldest_waiting_timestamp_seconds", "mail"): failed.message.at.timestamp(),
        ("mlops_alert_oldest_waiting_timestamp_seconds", "pager"): NOON.timestamp(),
        ("mlops_alert_sink_failures", "mail"): 1,
        ("mlops_alert_messages_dropped_total", "mail"): 2,
        ("mlops_alerts_looked_timestamp_seconds",): (NOON + 3 * MINUTE).timestamp(),
    }
    assert {key[0] for key in numbers(alert_samples(outbox))} == {metric.name for metric in METRICS}


def test_a_sink_that_works_again_has_neither_failures_nor_messages(outbox: Outbox) -> None:
    put(outbox, "a")
    (one,) = outbox.waiting()
    outbox.failed(one, now=NOON, next_at=NOON + MINUTE, remark="HTTP 503", is_down=True)
    outbox.delivered(one, now=NOON)
    found = numbers(alert_samples(outbox))
    assert found["mlops_alert_messages_waiting", "mail"] == 0
    assert found["mlops_alert_sink_failures", "mail"] == 0
    assert ("mlops_alert_oldest_waiting_timestamp_seconds", "mail") not in found


def test_an_outbox_that_cannot_be_read_is_an_error(outbox: Outbox) -> None:
    outbox.file.write_text("this is no database")
    with pytest.raises(AlertError):
        list(alert_samples(outbox))
