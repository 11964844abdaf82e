"""When captured predictions are collected, and for which days."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from mlops_assets.automation.collect_served import (
    COOLDOWN,
    CollectDecision,
    Landing,
    collect_served_sensor,
    decide,
)
from mlops_assets.catalogue import load_product
from mlops_assets.core.declared.time_axis import TimeAxis
from mlops_assets.core.errors import SourceError
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.serving.prediction_record import PredictionRecord, encode_record
from mlops_assets.resources.online_stores import OnlineStores

AXIS = TimeAxis(start_date=date(2026, 1, 1), end_date=None)
TODAY = date(2026, 1, 20)
NOW = datetime(2026, 1, 20, 12, tzinfo=UTC)
FIRST, SECOND, THIRD = date(2026, 1, 10), date(2026, 1, 11), date(2026, 1, 12)

RECORD = PredictionRecord(
    prediction_id="v1-1-0",
    event_id=1,
    request={},
    event_timestamp=int(NOW.timestamp() * 1e6),
    known_at=None,
    received_at=int(NOW.timestamp() * 1e6),
    version=1,
    role="champion",
    plan_sequence=1,
    score=0.5,
)


def decided(
    *,
    time: TimeAxis | None = AXIS,
    waiting: int = 0,
    waiting_days: Sequence[date] = (),
    landings: Sequence[Landing] = (),
    predicted: Mapping[date | None, int] | None = None,
    ended: Mapping[str, datetime] | None = None,
) -> CollectDecision:
    return decide(
        time=time,
        now=NOW,
        waiting=waiting,
        first_position="7" if waiting else "",
        waiting_days=waiting_days,
        landings=landings,
        predicted=predicted or {},
        ended=ended or {},
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


def test_records_that_a_run_left_are_asked_for_again_after_the_cool_down_under_a_key_of_its_own() -> None:
    just, long_ago = NOW - COOLDOWN / 2, NOW - COOLDOWN
    soon = decided(waiting=3, waiting_days=[FIRST], ended={"7-3-0": just})
    assert (soon.action, soon.run_key) == ("wait", None)
    assert soon.reason.endswith("the run for them ended and left them, and is asked for again at 12:05 UTC")
    assert decided(waiting=3, ended={"7-3-0": long_ago}).run_key == "7-3-0:after-1-runs"
    twice = {"7-3-0": long_ago - timedelta(hours=1), "7-3-0:after-1-runs": long_ago}
    assert decided(waiting=3, ended=twice).run_key == "7-3-0:after-2-runs"
    assert decided(waiting=3, ended={**twice, "7-3-0:after-1-runs": just}).action == "wait"
    assert decided(waiting=3, ended={"7-30-0": just, "6-3-0": just}).run_key == "7-3-0"


def test_a_run_that_failed_is_asked_for_again_by_the_sensor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = load_product("fraud_detection")
    store = open_online_store(str(tmp_path), product.name)
    store.commit([], [encode_record(RECORD)])
    store.close()

    @dg.op
    def fail() -> None:
        raise SourceError("the disk is full")

    @dg.job(name="fraud_detection__collect")
    def collect() -> None:
        fail()

    sensor = collect_served_sensor(product.spec, collect.name)
    resources = {"online_stores": OnlineStores(location=str(tmp_path))}
    definitions = dg.Definitions(jobs=[collect], sensors=[sensor], resources=resources)
    with dg.instance_for_test() as instance:

        def tick() -> tuple[list[dg.RunRequest], str | None]:
            context = dg.build_sensor_context(instance=instance, definitions=definitions, resources=resources)
            data = sensor.evaluate_tick(context)
            return list(data.run_requests or []), data.skip_message

        (first,), _ = tick()
        run = collect.execute_in_process(
            instance=instance,
            tags={**first.tags, "dagster/run_key": str(first.run_key)},
            raise_on_error=False,
        )
        assert not run.success
        requests, reason = tick()
        assert requests == []
        assert "is asked for again at" in str(reason)
        monkeypatch.setattr("mlops_assets.automation.collect_served.COOLDOWN", timedelta(0))
        (again,), _ = tick()
        assert again.run_key == f"{first.run_key}:after-1-runs"
