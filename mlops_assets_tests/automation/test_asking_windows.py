"""Which windows ask: loss of quality more than drift, and never a broken source."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.automation.asking_windows import AskingWindow, asking_windows
from mlops_assets.automation.retrain_on_drift import decide
from mlops_assets.automation.window_verdicts import Window
from mlops_assets.core.product_spec import Monitoring

DAY_ONE = date(2018, 8, 1)
WEEK = timedelta(days=7)
MONITORING = Monitoring(alarms=2, of_windows=3, cooldown_days=7)
DRIFT_VERDICTS = ("stable", "drift", "broken", "inconclusive")
QUALITY_VERDICTS = ("stable", "degraded", "inconclusive")
ESTIMATE_VERDICTS = (*QUALITY_VERDICTS, "broken")


def _day(number: int) -> date:
    return DAY_ONE + timedelta(days=number - 1)


def _drift(number: int, verdict: str = "drift") -> Window:
    columns = ("amount_usd",) if verdict == "drift" else ()
    return Window("drift_report", _day(number), verdict, 1, columns, f"drift says {verdict}")


def _outcomes(number: int, verdict: str) -> Window:
    return Window("performance_report", _day(number), verdict, 1, (), f"outcomes are {verdict}")


def _estimate(number: int, verdict: str) -> Window:
    return Window("verdicts", _day(number), verdict, 1, (), f"the estimate is {verdict}")


def _judge(*windows: Window, delay: timedelta = WEEK) -> dict[date, AskingWindow]:
    return {one.end: one for one in asking_windows(windows, label_delay=delay)}


@pytest.mark.parametrize(
    ("verdict", "asks"), [("stable", False), ("inconclusive", True), ("degraded", True), ("broken", False)]
)
def test_drift_asks_for_nothing_where_a_trusted_estimate_holds(verdict: str, asks: bool) -> None:
    window = _judge(_drift(1), _estimate(1, verdict))[_day(1)]
    assert window.asks is asks
    assert window.is_drift
    assert window.holds == ("the estimate is stable" if verdict == "stable" else None)


@pytest.mark.parametrize(("verdict", "asks"), [("stable", False), ("inconclusive", True), ("degraded", True)])
def test_outcomes_tell_of_the_events_of_a_labels_delay_before(verdict: str, asks: bool) -> None:
    assert _judge(_drift(1), _outcomes(8, verdict))[_day(1)].asks is asks
    same_day = _judge(_drift(8), _outcomes(8, "stable"))[_day(8)]
    assert same_day.asks  # these outcomes are of events before the drift
    assert not _judge(_drift(8), _outcomes(8, "stable"), delay=timedelta(0))[_day(8)].asks


def test_outcomes_outrank_the_estimate_of_the_same_events() -> None:
    assert not _judge(_estimate(1, "degraded"), _outcomes(8, "stable"))[_day(1)].asks
    judged = _judge(_drift(1), _estimate(1, "stable"), _outcomes(8, "degraded"))
    assert judged[_day(1)].asks
    assert judged[_day(8)].asks


@pytest.mark.parametrize("lost", [_outcomes(8, "degraded"), _estimate(8, "degraded")])
def test_a_loss_asks_without_drift(lost: Window) -> None:
    window = _judge(_drift(8, "stable"), lost)[_day(8)]
    assert window.asks
    assert window.causes == {
        "performance" if lost.report == "performance_report" else "estimated_performance"
    }


def test_a_broken_source_asks_for_nothing_and_neither_do_its_outcomes() -> None:
    judged = _judge(
        _drift(1, "broken"), _outcomes(1, "degraded"), _estimate(1, "degraded"), _outcomes(8, "degraded")
    )
    assert not any(window.asks for window in judged.values())
    assert judged[_day(1)].broken == "drift says broken"
    assert judged[_day(8)].broken is None
    assert _judge(_drift(2), _estimate(2, "broken"))[_day(2)].broken == "the estimate is broken"


def test_the_later_record_of_a_day_counts() -> None:
    assert not _judge(_estimate(1, "degraded"), _estimate(1, "stable"))[_day(1)].asks


_windows = st.lists(
    st.tuples(
        st.sampled_from(DRIFT_VERDICTS), st.sampled_from(QUALITY_VERDICTS), st.sampled_from(ESTIMATE_VERDICTS)
    ),
    min_size=1,
    max_size=12,
)


def _decided(windows: list[Window]) -> tuple[str, str]:
    decision = decide(windows, (), product="p", monitoring=MONITORING, label_delay=WEEK)
    return decision.action, decision.reason


def _all(verdicts: list[tuple[str, str, str]]) -> list[Window]:
    return [
        window
        for number, (drift, outcomes, estimate) in enumerate(verdicts, start=1)
        for window in (_drift(number, drift), _outcomes(number, outcomes), _estimate(number, estimate))
    ]


@settings(max_examples=40)
@given(verdicts=_windows)
def test_what_is_broken_never_asks_and_a_loss_that_is_not_always_does(
    verdicts: list[tuple[str, str, str]],
) -> None:
    all_broken = [("broken", outcomes, estimate) for _, outcomes, estimate in verdicts]
    assert _decided(_all(all_broken))[0] == "wait"
    lost = [("stable", "degraded", "inconclusive") for _ in verdicts]
    assert _decided(_all(lost))[0] == ("retrain" if len(lost) >= MONITORING.alarms else "wait")


@settings(max_examples=40)
@given(verdicts=_windows)
def test_drift_alone_asks_only_where_nothing_says_that_the_quality_holds(
    verdicts: list[tuple[str, str, str]],
) -> None:
    held = [(drift, "stable", "stable") for drift, _, _ in verdicts]
    action, reason = _decided(_all(held))
    assert action == "wait"
    drifted = sum(drift == "drift" for drift, _, _ in verdicts[-MONITORING.of_windows :])
    assert ("but the quality is known to hold: the estimate is stable" in reason) is (drifted > 0)


@settings(max_examples=40)
@given(verdicts=_windows)
def test_a_quality_that_is_inconclusive_leaves_drift_to_decide(verdicts: list[tuple[str, str, str]]) -> None:
    alone = [_drift(number, drift) for number, (drift, _, _) in enumerate(verdicts, start=1)]
    unsure = [(drift, "inconclusive", "inconclusive") for drift, _, _ in verdicts]
    assert _decided(_all(unsure)) == _decided(alone)


def test_the_skip_says_in_words_why_drift_asks_for_nothing() -> None:
    windows = [one for number in (1, 2, 3) for one in (_drift(number), _estimate(number, "stable"))]
    assert _decided(windows)[1] == (
        "0 of the 3 latest windows of version 1 alarm, 2 of 3 are needed; 3 of 3 windows drift, but the quality is "
        "known to hold: the estimate is stable"
    )
    broken = [_drift(1), _drift(2, "broken"), _drift(3, "stable")]
    assert _decided(broken)[1].endswith("; 1 of 3 windows has a broken source: drift says broken")
