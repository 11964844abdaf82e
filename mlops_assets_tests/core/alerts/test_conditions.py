"""What rules say of windows: k of n, the trusted topic first, and nothing of what is no more."""

from datetime import timedelta
from itertools import count
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.core.alerts.conditions import Window, conditions_of, windows_from_verdicts
from mlops_assets.core.alerts.lifecycle import Condition, Key, advance
from mlops_assets.core.alerts.rules import Rule
from mlops_assets.core.monitoring.finding import Finding, findings_frame
from mlops_assets_tests.support.alerts.messages import KEY, NOON, finding
from mlops_assets_tests.support.alerts.story import check_story

DRIFT = Rule(name="drift", severity="warning", topics=("drift",), runbook="page", sinks=("mail",))
QUALITY = Rule(name="quality", severity="critical", topics=("performance", "estimated_performance"))
STATES = {"a": "alarm", "o": "ok", "i": "inconclusive"}


def windows(states: str, **given: Any) -> list[Window]:
    """A window per letter: alarm, ok, inconclusive; one without the subject for a dot."""
    return [
        Window(
            f"2026-05-{day:02}",
            (finding(subject="other", state="ok"),)
            + ((finding(state=STATES[letter], value=day, **given),) if letter != "." else ()),
        )
        for day, letter in enumerate(states, 1)
    ]


def said(
    rule: Rule, found: list[Window], *, subject: str = "amount_usd", open_keys: tuple[Key, ...] = ()
) -> Condition | None:
    told = conditions_of("fraud_detection", [rule], found, open_keys=open_keys)
    return next((one for one in told if one.key.subject == subject), None)


@pytest.mark.parametrize(
    ("states", "alarms", "of_windows", "state"),
    [
        ("a", 1, 1, "firing"),
        ("ao", 1, 1, "clear"),
        ("ai", 1, 1, "unknown"),
        ("aao", 2, 3, "firing"),
        ("aoi", 2, 3, "unknown"),
        ("aaoo", 2, 3, "clear"),
        ("a", 2, 3, "unknown"),
        ("a.", 1, 2, "firing"),
        ("o.", 1, 2, "unknown"),
    ],
)
def test_a_subject_fires_when_k_of_the_n_latest_windows_alarm(
    states: str, alarms: int, of_windows: int, state: str
) -> None:
    rule = Rule(name="drift", severity="warning", topics=("drift",), alarms=alarms, of_windows=of_windows)
    one = said(rule, windows(states)[::-1])
    assert one is not None
    assert one.state == state


def test_windows_that_speak_of_other_subjects_do_not_take_the_place_of_a_rules_own() -> None:
    rule = Rule(name="latency", severity="warning", topics=("service",), subject="p99_latency_ms")
    hourly = Window("2026-05-02T09:00Z", (finding(topic="service", subject="p99_latency_ms", state="alarm"),))
    daily = Window("2026-05-03", (finding(topic="service", subject="window_failed_share", state="ok"),))
    one = said(rule, [hourly, daily], subject="p99_latency_ms")
    assert one is not None
    assert one.state == "firing"


def test_a_condition_says_what_its_newest_alarm_said_and_where_it_goes() -> None:
    told = conditions_of(
        "fraud_detection",
        [DRIFT],
        windows("oa", limit=0.5),
        open_keys=(),
        page_of=lambda window: f"http://ui/{window}",
        remind_after=timedelta(hours=1),
    )
    one = next(one for one in told if one.key == KEY)
    assert (one.value, one.limit, one.window, one.reason) == (2.0, 0.5, "2026-05-02", "it has moved")
    assert (one.severity, one.runbook, one.link, one.sinks) == (
        "warning",
        "page",
        "http://ui/2026-05-02",
        ("mail",),
    )
    assert one.remind_after == timedelta(hours=1)


def test_what_was_measured_counts_before_what_was_estimated() -> None:
    def of(measured: str, estimated: str) -> str:
        both = (
            Finding(topic="estimated_performance", subject="auc", state=estimated, reason="estimated"),
            Finding(topic="performance", subject="auc", state=measured, reason="measured"),
        )
        one = said(QUALITY, [Window("2026-05-01", both)], subject="auc")
        return f"{one.state} {one.reason}" if one else ""

    assert of("ok", "alarm") == "clear measured"
    assert of("alarm", "ok") == "firing measured"
    assert of("inconclusive", "alarm") == "firing estimated"
    assert of("inconclusive", "inconclusive") == "unknown measured"


def test_an_open_alert_of_a_subject_or_a_rule_that_is_no_more_is_clear() -> None:
    gone = Key("fraud_detection", "drift", "dropped_column")
    off = Key("fraud_detection", "old_rule", "amount_usd")
    others = Key("mortality_risk", "old_rule", "age")
    told = conditions_of("fraud_detection", [DRIFT], windows("a"), open_keys=(gone, off, others))
    assert {one.key: one.state for one in told if one.key in (gone, off, others)} == {
        gone: "clear",
        off: "clear",
    }


def test_without_a_window_of_its_topics_a_rule_says_nothing() -> None:
    assert conditions_of("fraud_detection", [QUALITY], windows("a"), open_keys=()) == ()
    standing = Key("fraud_detection", "quality", "auc")
    assert conditions_of("fraud_detection", [QUALITY], windows("a"), open_keys=[standing]) == ()


def test_windows_of_verdicts_are_their_days_or_all_rows() -> None:
    rows = findings_frame([finding(), finding(subject="hour", state="ok")])
    assert windows_from_verdicts(rows) == (
        Window("all rows", (finding(), finding(subject="hour", state="ok"))),
    )
    days = pl.Series("event_date", ["2026-05-02", "2026-05-01"]).str.to_date()
    found = windows_from_verdicts(rows.with_columns(days))
    assert [(one.name, one.findings[0].subject) for one in found] == [
        ("2026-05-01", "hour"),
        ("2026-05-02", "amount_usd"),
    ]
    assert windows_from_verdicts(rows.clear()) == ()


readings = st.sampled_from(["alarm", "ok", "inconclusive", None])
moments = st.lists(st.tuples(readings, readings, st.floats(0, 2)), max_size=15)


@settings(max_examples=100)
@given(moments, st.integers(1, 3), st.integers(0, 2))
def test_any_sequence_of_findings_keeps_one_alert_per_subject_and_repeats_nothing(
    moments: list[tuple[Any, Any, float]], alarms: int, more: int
) -> None:
    rule = Rule(name="drift", severity="warning", topics=("drift",), alarms=alarms, of_windows=alarms + more)
    found, said, standing, ids = [], [], {}, count()
    for day, (amount, hour, value) in enumerate(moments):
        both = [("amount_usd", amount), ("hour", hour)]
        own = [finding(subject=name, state=state, value=value, limit=0.2) for name, state in both if state]
        found.append(Window(f"{day:03}", tuple(own)))
        for _ in range(2):  # a look without news changes nothing
            told = conditions_of("fraud_detection", [rule], found, open_keys=standing)
            step = advance(standing, told, now=NOON, new_id=lambda: f"alert{next(ids)}")
            said, standing = [*said, *step.messages], step.open_alerts
        assert step.messages == ()
    check_story(said, standing)
