"""Delivery: retried with growing pauses, the oldest first, and no sink holds up another."""

import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from mlops_assets.core.alerts.delivery import Attempt, deliver, pause_after, sink_conditions
from mlops_assets.core.alerts.lifecycle import Key
from mlops_assets.core.alerts.message import Message
from mlops_assets.core.alerts.outbox import FILE, LONGEST_PAUSE, Outbox
from mlops_assets.core.alerts.sinks.outcome import Outcome
from mlops_assets_tests.support.alerts.messages import NOON, firing
from mlops_assets_tests.support.alerts.servers import http_sink

DELIVERED, DOWN, REFUSED = Outcome("delivered"), Outcome("down", "HTTP 503"), Outcome("refused", "HTTP 400")
MINUTE = timedelta(minutes=1)


class Scripted:
    """Answers as it was told, in order, and then takes everything."""

    def __init__(self, *answers: Outcome) -> None:
        self.answers = list(answers)
        self.got: list[str] = []

    def send(self, message: Message) -> Outcome:
        self.got.append(message.subject)
        return self.answers.pop(0) if self.answers else DELIVERED


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / FILE)


def put(outbox: Outbox, subjects: str, *sinks: str) -> None:
    ids = count(len(outbox.open_alerts()))
    conditions = [firing(Key("p", "drift", subject)) for subject in subjects]
    outbox.record(conditions, now=NOON, new_id=lambda: f"a{next(ids)}", route=lambda _: sinks)


def turn(
    outbox: Outbox, at: datetime = NOON, *, waits: bool = True, seconds: float = 60, **sinks: Scripted
) -> list[Attempt]:
    deadline = time.monotonic() + seconds
    return list(deliver(outbox, sinks, clock=lambda: at, deadline=deadline, waits_for_pauses=waits))


def test_the_oldest_goes_first_and_sinks_take_turns(outbox: Outbox) -> None:
    put(outbox, "ab", "mail", "slack")
    mail, slack = Scripted(), Scripted()
    order = [one.sink for one in turn(outbox, mail=mail, slack=slack)]
    assert (order, mail.got, slack.got) == (["mail", "slack", "mail", "slack"], ["a", "b"], ["a", "b"])
    assert turn(outbox, mail=mail) == []


def test_a_sink_that_is_down_is_left_alone_for_its_pause_and_loses_nothing(outbox: Outbox) -> None:
    put(outbox, "abc", "mail", "slack")
    mail, slack = Scripted(DELIVERED, DOWN, DOWN), Scripted()
    turn(outbox, mail=mail, slack=slack)
    assert (mail.got, slack.got) == (["a", "b"], ["a", "b", "c"])
    assert turn(outbox, NOON + MINUTE / 2, mail=mail) == []
    assert [one.outcome for one in turn(outbox, NOON + MINUTE, mail=mail)] == [DOWN]
    assert turn(outbox, NOON + 2 * MINUTE, mail=mail) == []
    turn(outbox, NOON + 3 * MINUTE, mail=mail)
    assert mail.got == ["a", "b", "b", "b", "c"]
    assert outbox.waiting() == ()


def test_a_message_that_is_refused_does_not_hold_up_the_others(outbox: Outbox) -> None:
    put(outbox, "ab", "mail")
    mail = Scripted(REFUSED)
    turn(outbox, mail=mail)
    assert mail.got == ["a", "b"]
    assert [one.message.subject for one in outbox.waiting()] == ["a"]
    turn(outbox, NOON + MINUTE, mail=mail)
    assert outbox.waiting() == ()


def test_a_person_need_not_wait_for_a_pause(outbox: Outbox) -> None:
    put(outbox, "a", "mail")
    mail = Scripted(DOWN)
    turn(outbox, mail=mail)
    assert turn(outbox, mail=mail) == []
    assert [one.outcome for one in turn(outbox, waits=False, mail=mail)] == [DELIVERED]


def test_a_pause_that_only_a_clock_put_back_could_have_made_is_over(outbox: Outbox) -> None:
    put(outbox, "a", "mail")
    turn(outbox, NOON + timedelta(days=365), mail=Scripted(DOWN))
    assert len(turn(outbox, NOON, mail=Scripted())) == 1


def test_a_message_for_a_sink_that_is_not_there_waits_for_it(outbox: Outbox) -> None:
    put(outbox, "a", "mail", "pager")
    first, second = sorted(turn(outbox, mail=Scripted()), key=lambda one: one.sink)
    assert (first.outcome, second.outcome.remark) == (DELIVERED, "no sink of this name is configured")
    assert [one.sink for one in outbox.waiting()] == ["pager"]
    assert turn(outbox, NOON + MINUTE, pager=Scripted())


def test_after_its_deadline_a_turn_begins_nothing(outbox: Outbox) -> None:
    put(outbox, "ab", "mail")
    assert turn(outbox, seconds=-1, mail=Scripted()) == []
    assert len(outbox.waiting()) == 2


def test_pauses_grow_up_to_an_hour_and_obey_what_a_sink_asks_for() -> None:
    assert [pause_after(n) / MINUTE for n in (1, 2, 3, 6, 7, 1000)] == [1, 2, 4, 32, 60, 60]
    assert pause_after(1, asked=300) == 5 * MINUTE
    assert pause_after(1, asked=1e12) == LONGEST_PAUSE


def test_the_others_hear_of_a_sink_once_it_failed_twice_in_a_row(outbox: Outbox) -> None:
    put(outbox, "a", "mail")
    states = []
    mail = Scripted(DOWN, DOWN)
    for minute in (0, 1, 3):
        turn(outbox, NOON + minute * MINUTE, mail=mail)
        (one,) = sink_conditions(outbox.health())
        states.append(one.state)
    assert states == ["unknown", "firing", "clear"]
    assert one.key == Key("", "sink_down", "mail")


DELIVERS = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from mlops_assets.core.alerts.delivery import deliver
from mlops_assets.core.alerts.outbox import Outbox
from mlops_assets.core.alerts.sinks.http import WebhookSink
sinks = {"mail": WebhookSink(sys.argv[2])}
deliver(Outbox(Path(sys.argv[1])), sinks, clock=lambda: datetime.now(UTC), deadline=time.monotonic() + 60)
"""


def test_a_process_that_is_killed_after_sending_and_before_noting_sends_again_under_the_same_id(
    outbox: Outbox,
) -> None:
    put(outbox, "a", "mail")
    with http_sink() as server:
        arguments = [sys.executable, "-c", DELIVERS, str(outbox.file), server.address]
        killed = subprocess.Popen(arguments)
        server.on_message = killed.kill
        assert killed.wait(60) == -signal.SIGKILL
        assert len(outbox.waiting()) == 1
        server.on_message = lambda: None
        subprocess.run(arguments, check=True, timeout=60)
        assert [one["id"] for one in server.received] == ["a0.1", "a0.1"]
    assert outbox.waiting() == ()
