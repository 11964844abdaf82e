"""The outbox: what is open and what waits change together, and nothing of it is lost."""

import sqlite3
import threading
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from mlops_assets.core.alerts import outbox as module
from mlops_assets.core.alerts.lifecycle import Condition, Key
from mlops_assets.core.alerts.message import Message
from mlops_assets.core.alerts.outbox import FILE, KEPT, Outbox, SinkHealth
from mlops_assets.core.errors import AlertError
from mlops_assets_tests.support.alerts.messages import KEY, NOON, clear, firing

HOUR = timedelta(hours=1)
ids = count()


def put(
    outbox: Outbox, *conditions: Condition, at: datetime = NOON, to: tuple[str, ...] = ("mail",), **given: Any
):
    return outbox.record(conditions, now=at, new_id=lambda: f"alert{next(ids)}", route=lambda _: to, **given)


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / FILE)


def test_an_outbox_that_is_not_there_is_empty_and_looking_makes_none(outbox: Outbox) -> None:
    assert (outbox.open_alerts(), outbox.waiting(), outbox.health(), outbox.notes()) == ({}, (), (), {})
    assert not outbox.file.exists()


def test_what_is_recorded_is_there_for_the_next_process(outbox: Outbox) -> None:
    condition = firing(value=0.25, limit=0.2, remind_after=HOUR, sinks=("mail", "log"), severity="critical")
    (said,) = put(outbox, condition, to=("mail", "log"), notes={"runs": "12"})
    again = Outbox(outbox.file)
    (alert,) = again.open_alerts().values()
    assert (alert.told, alert.opened_at, alert.messages) == (condition, NOON, 1)
    assert [(one.sink, one.message, one.attempts, one.next_at) for one in again.waiting()] == [
        ("log", said, 0, NOON),
        ("mail", said, 0, NOON),
    ]
    assert again.notes() == {"runs": "12"}
    assert put(again, firing()) == ()
    assert [one.kind for one in put(again, clear())] == ["resolved"]
    assert again.open_alerts() == {}


def test_a_message_waits_for_each_sink_until_it_has_it(outbox: Outbox) -> None:
    put(outbox, firing(), to=("mail", "slack"))
    mail, slack = outbox.waiting()
    outbox.failed(mail, now=NOON, next_at=NOON + HOUR, remark="HTTP 503", is_down=True)
    outbox.delivered(slack, now=NOON)
    (waits,) = outbox.waiting()
    assert (waits.sink, waits.attempts, waits.next_at, waits.remark) == ("mail", 1, NOON + HOUR, "HTTP 503")
    outbox.failed(waits, now=NOON + HOUR, next_at=NOON + 2 * HOUR, remark="HTTP 502", is_down=True)
    assert outbox.health() == (SinkHealth("mail", 2, NOON, NOON + 2 * HOUR, "HTTP 502", 0),)
    outbox.delivered(waits, now=NOON + 2 * HOUR)
    assert outbox.waiting() == ()
    assert outbox.health() == (SinkHealth("mail", 0, None, None, "", 0),)


def test_when_something_raises_nothing_is_changed(outbox: Outbox) -> None:
    put(outbox, firing())

    def route(message: Message) -> tuple[str, ...]:
        raise KeyError(message.id)

    with pytest.raises(KeyError):
        outbox.record([clear()], now=NOON, new_id=lambda: "x", route=route, notes={"runs": "13"})
    assert set(outbox.open_alerts()) == {KEY}
    assert outbox.notes() == {}


def test_beyond_its_bound_the_oldest_of_what_is_over_goes_first_and_is_counted(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAXIMUM_WAITING", 3)
    keys = [Key("p", "drift", name) for name in "abc"]
    put(outbox, firing(keys[0]), firing(keys[1]))
    put(outbox, clear(keys[1]), firing(keys[2]))
    assert [one.message.subject for one in outbox.waiting()] == ["a", "b", "c"]
    assert [one.message.kind for one in outbox.waiting()] == ["opened", "resolved", "opened"]
    put(outbox, firing(keys[1]))
    assert [one.message.subject for one in outbox.waiting()] == ["a", "c", "b"]
    put(outbox, firing(KEY))
    assert [one.message.subject for one in outbox.waiting()] == ["c", "b", "amount_usd"]
    (health,) = outbox.health()
    assert (health.sink, health.dropped, health.failed) == ("mail", 3, 0)


def test_what_was_delivered_is_forgotten_after_its_time(outbox: Outbox) -> None:
    put(outbox, firing())
    outbox.delivered(outbox.waiting()[0], now=NOON)
    put(outbox, at=NOON + KEPT)
    assert messages(outbox) == 1
    put(outbox, at=NOON + KEPT + HOUR)
    assert messages(outbox) == 0
    assert set(outbox.open_alerts()) == {KEY}


def messages(outbox: Outbox) -> int:
    connection = sqlite3.connect(outbox.file)
    try:
        return connection.execute("SELECT count(*) FROM messages").fetchone()[0]
    finally:
        connection.close()


def test_several_processes_record_at_once(outbox: Outbox) -> None:
    def work(name: str) -> None:
        for number in range(5):
            put(Outbox(outbox.file), firing(Key(name, "drift", str(number))), firing())

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outbox.open_alerts()) == len(outbox.waiting()) == 21


@pytest.mark.parametrize("content", [b"this is no database, whatever it is called" * 40, b""])
def test_a_damaged_file_says_so_and_an_empty_one_is_made_anew(outbox: Outbox, content: bytes) -> None:
    outbox.file.write_bytes(content)
    if not content:
        assert put(outbox, firing())
        return
    with pytest.raises(AlertError, match="move it away"):
        outbox.waiting()
    with pytest.raises(AlertError, match=FILE):
        put(outbox, firing())


def test_a_later_format_says_so(outbox: Outbox) -> None:
    put(outbox, firing())
    connection = sqlite3.connect(outbox.file)
    connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(AlertError, match="has format 2, readable is 1: a later version"):
        outbox.waiting()
