"""The life of an alert: any sequence of findings keeps one alert per key, and nothing is said twice for no reason."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.core.alerts.lifecycle import Condition, Key, Step, advance, is_worse
from mlops_assets.core.alerts.message import SEVERITIES
from mlops_assets_tests.support.alerts.messages import KEY, NOON, clear, firing
from mlops_assets_tests.support.alerts.story import check_story

DAY = timedelta(days=1)
KEYS = [Key("fraud_detection", "drift", subject) for subject in ("amount_usd", "hour")] + [
    Key("", "sink_down", "mail")
]


def names() -> Iterator[str]:
    return (f"alert{number}" for number in count())


def step(conditions: Sequence[Condition], before: Step | None = None, *, hours: float = 0) -> Step:
    ids = names()
    for _ in range(len(before.messages) if before else 0):
        next(ids)
    return advance(
        before.open_alerts if before else {},
        conditions,
        now=NOON + timedelta(hours=hours),
        new_id=lambda: next(ids),
    )


conditions = st.builds(
    Condition,
    key=st.sampled_from(KEYS),
    state=st.sampled_from(["firing", "clear", "unknown"]),
    reason=st.just("why"),
    severity=st.sampled_from(SEVERITIES),
    value=st.none() | st.floats(-10, 10),
    limit=st.none() | st.sampled_from([0.0, 0.85, 5.0]),
)


@settings(max_examples=100)
@given(st.lists(st.lists(conditions, max_size=4), max_size=12))
def test_any_sequence_opens_at_most_one_alert_per_key_and_ends_or_keeps_each(
    moments: list[list[Condition]],
) -> None:
    ids, standing, said = names(), {}, []
    for hour, moment in enumerate(moments):
        found = advance(standing, moment, now=NOON + timedelta(hours=hour), new_id=lambda: next(ids))
        standing = found.open_alerts
        said += found.messages
        newest = {one.key: one.state for one in moment if one.state != "unknown"}
        assert all((key in standing) == (state == "firing") for key, state in newest.items())
    check_story(said, standing)


def test_an_alert_is_told_when_it_opens_and_when_it_is_over() -> None:
    opened = step([firing(), firing()])
    (first,) = opened.messages
    assert (first.kind, first.id, first.severity) == ("opened", "alert0.1", "warning")
    over = step([clear(), clear()], opened, hours=1)
    (last,) = over.messages
    assert (last.kind, last.id, last.reason, last.opened_at) == (
        "resolved",
        "alert0.2",
        "it is as it was",
        NOON,
    )
    assert over.open_alerts == {}


def test_what_cannot_be_told_keeps_an_alert_open_and_opens_none() -> None:
    unknown = Condition(key=KEY, state="unknown", reason="too few rows")
    assert step([unknown]).messages == ()
    opened = step([firing()])
    assert step([unknown], opened) == Step(opened.open_alerts, ())


@pytest.mark.parametrize(
    ("told", "now", "expected"),
    [
        ({"value": 0.80, "limit": 0.85}, {"value": 0.76, "limit": 0.85}, False),  # not twice as far
        ({"value": 0.80, "limit": 0.85}, {"value": 0.70, "limit": 0.85}, True),
        (
            {"value": 0.849, "limit": 0.85},
            {"value": 0.80, "limit": 0.85},
            False,
        ),  # less than a tenth of the limit
        ({"value": 210, "limit": 200}, {"value": 230, "limit": 200}, True),
        ({"value": 210, "limit": 200}, {"value": 90, "limit": 200}, False),  # on the good side
        ({"value": 210, "limit": 200}, {"value": None, "limit": 200}, False),
        ({"severity": "warning"}, {"severity": "critical"}, True),
        ({"severity": "critical"}, {"severity": "warning"}, False),
    ],
)
def test_worse_is_a_higher_severity_or_clearly_further_beyond(
    told: dict[str, object], now: dict[str, object], expected: bool
) -> None:
    assert is_worse(firing(**now), firing(**told)) is expected
    again = step([firing(**now)], step([firing(**told)]), hours=1)
    assert [one.kind for one in again.messages] == (["worse"] if expected else [])


def test_a_slow_slide_is_told_rarely() -> None:
    standing, said = {}, 0
    for number in range(1, 200):
        found = advance(standing, [firing(value=200 + number, limit=200)], now=NOON, new_id=lambda: "alert")
        standing, said = found.open_alerts, said + len(found.messages)
    assert said == 5  # at 1, then 21, 42, 84 and 168 beyond


def test_an_alert_that_stands_is_said_again_after_its_time_and_only_then() -> None:
    opened = step([firing(remind_after=DAY)])
    assert step([firing(remind_after=DAY)], opened, hours=23).messages == ()
    again = step([], opened, hours=24)
    assert [one.kind for one in again.messages] == ["reminder"]
    assert step([], again, hours=71).messages == ()
    third = step([], again, hours=72)
    assert [one.kind for one in third.messages] == ["reminder"]
    worse = step([firing(severity="critical", remind_after=DAY)], third, hours=73)
    assert [one.kind for one in step([], worse, hours=97).messages] == ["reminder"]


def test_what_stands_for_a_year_is_said_again_eight_times() -> None:
    standing, said = step([firing(remind_after=DAY)]).open_alerts, 0
    for day in range(1, 366):
        found = advance(standing, [], now=NOON + day * DAY, new_id=str)
        standing, said = found.open_alerts, said + len(found.messages)
    assert said == 8
