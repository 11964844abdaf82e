"""When captured predictions are collected, and for which days."""

from collections.abc import Mapping, Sequence
from datetime import date

import pytest

from mlops_assets.automation.collect_served import CollectDecision, Landing, decide
from mlops_assets.core.product_spec import TimeAxis

AXIS = TimeAxis(start_date=date(2026, 1, 1), end_date=None)
TODAY = date(2026, 1, 20)
FIRST, SECOND, THIRD = date(2026, 1, 10), date(2026, 1, 11), date(2026, 1, 12)


def decided(
    *,
    time: TimeAxis | None = AXIS,
    waiting: int = 0,
    waiting_days: Sequence[date] = (),
    landings: Sequence[Landing] = (),
    predicted: Mapping[date | None, int] | None = None,
) -> CollectDecision:
    return decide(
        time=time,
        today=TODAY,
        waiting=waiting,
        first_position="7" if waiting else "",
        waiting_days=waiting_days,
        landings=landings,
        predicted=predicted or {},
    )


def test_nothing_waiting_and_nothing_pending_waits_and_says_so() -> None:
    collected = Landing(storage_id=5, first=FIRST, last=SECOND, rows=10)
    decision = decided(landings=[collected], predicted={FIRST: 6, SECOND: 7})
    assert decision.action == "wait"
    assert decision.run_key is None
    assert "no captured record waits" in decision.reason


def test_waiting_records_are_collected_for_the_days_of_their_events() -> None:
    decision = decided(waiting=1234, waiting_days=[THIRD, FIRST])
    assert decision == CollectDecision("collect", "1,234 captured records wait", "7-1234-0", (FIRST, THIRD))


def test_a_landing_whose_predictions_are_older_is_made_up_for() -> None:
    landing = Landing(storage_id=9, first=FIRST, last=SECOND, rows=10)
    decision = decided(landings=[landing], predicted={FIRST: 12, SECOND: 8})
    assert decision.action == "collect"
    assert decision.days == (FIRST, SECOND)
    assert decision.reason == "1 landings are not in predictions yet"


def test_a_landing_that_moved_nothing_is_not_pending() -> None:
    assert decided(landings=[Landing(storage_id=9, first=FIRST, last=FIRST, rows=0)]).action == "wait"


def test_the_same_records_ask_for_one_run_and_others_for_another() -> None:
    keys = {
        decided(waiting=waiting, waiting_days=[FIRST], landings=landings).run_key
        for waiting in (1, 2)
        for landings in ([], [Landing(storage_id=9, first=FIRST, last=FIRST, rows=3)])
        for _ in range(2)
    }
    assert len(keys) == 4


@pytest.mark.parametrize(
    ("axis", "last"),
    [
        pytest.param(AXIS, TODAY, id="data that goes on ends today"),
        pytest.param(
            TimeAxis(start_date=date(2026, 1, 1), end_date=date(2026, 1, 15)),
            date(2026, 1, 14),
            id="ended data",
        ),
    ],
)
def test_days_without_a_partition_are_collected_with_the_last_one(axis: TimeAxis, last: date) -> None:
    outside = [date(2025, 12, 31), date(2026, 1, 21)]
    assert decided(time=axis, waiting=2, waiting_days=outside).days == (last, last)
    assert decided(time=axis, waiting=3, waiting_days=[*outside, FIRST]).days == (FIRST, FIRST)


def test_a_landing_outside_of_the_partitions_asks_for_nothing() -> None:
    landing = Landing(storage_id=9, first=date(2025, 12, 1), last=date(2025, 12, 2), rows=4)
    assert decided(landings=[landing]).action == "wait"


def test_a_cohort_is_collected_as_a_whole() -> None:
    landing = Landing(storage_id=9, first=None, last=None, rows=3)
    assert decided(time=None, waiting=2).days is None
    assert decided(time=None, landings=[landing], predicted={None: 8}).action == "collect"
    assert decided(time=None, landings=[landing], predicted={None: 10}).action == "wait"
