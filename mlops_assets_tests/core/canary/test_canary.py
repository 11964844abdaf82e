"""Which plans make a canary, and which of its requests are compared."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from mlops_assets.core.canary.canary import Canary, Step, comparable, standing_canary
from mlops_assets.core.errors import MonitoringError
from mlops_assets.core.release.plan import Arm, ReleasePlan
from mlops_assets.core.release.routing import Draw
from mlops_assets_tests.support.canary_rows import CANARY, SINCE, observed

NO_WARM_UP = timedelta(0)


def plan(sequence: int, *arms: Arm, mode: str = "canary") -> ReleasePlan:
    since = datetime(2026, 3, 1, sequence, tzinfo=UTC)
    return ReleasePlan(mode, arms, since, "someone", "because", {}, sequence, None)  # type: ignore[arg-type]


def canary_plan(sequence: int, percent: int, challenger: int = 2) -> ReleasePlan:
    return plan(
        sequence, Arm(1, 100 - percent, "champion"), Arm(challenger, percent, "challenger"), mode="canary"
    )


def test_a_canary_is_the_unbroken_run_of_plans_of_the_same_two_versions() -> None:
    released = plan(1, Arm(1, 100, "champion"), mode="blue_green")
    plans = [canary_plan(4, 25), released, canary_plan(3, 5), canary_plan(2, 1)]
    found = standing_canary("fraud_detection", plans)
    assert found is not None
    assert [(step.sequence, step.percent) for step in found.steps] == [(2, 1), (3, 5), (4, 25)]
    assert (found.champion, found.challenger, found.step.percent) == (1, 2, 25)


@pytest.mark.parametrize(
    "between",
    [
        [],  # plan 3 is not known
        [plan(3, Arm(1, 100, "champion"), mode="rollback")],
        [canary_plan(3, 5, challenger=9)],
    ],
)
def test_another_plan_in_between_or_a_missing_one_begins_the_canary_anew(between: list[ReleasePlan]) -> None:
    found = standing_canary("fraud_detection", [canary_plan(2, 1), *between, canary_plan(4, 25)])
    assert found is not None
    assert [step.sequence for step in found.steps] == [4]


def test_a_lowered_share_begins_the_canary_anew_and_an_equal_one_goes_on() -> None:
    found = standing_canary(
        "fraud_detection", [canary_plan(n, p) for n, p in ((2, 25), (3, 5), (4, 5), (5, 25))]
    )
    assert found is not None
    assert [step.sequence for step in found.steps] == [3, 4, 5]


@pytest.mark.parametrize(
    "plans",
    [
        [],
        [plan(1, Arm(1, 100, "champion"), mode="blue_green")],
        [plan(1, Arm(1, 100, "champion"), Arm(2, 0, "shadow"), mode="shadow")],
        [canary_plan(2, 5), plan(3, Arm(1, 100, "champion"), mode="rollback")],
    ],
)
def test_without_a_challenger_that_answers_there_is_no_canary(plans: list[ReleasePlan]) -> None:
    assert standing_canary("fraud_detection", plans) is None


def test_requests_of_other_plans_and_of_the_warm_up_are_left_out() -> None:
    rows = observed(requests=100)
    other = rows.with_columns(plan_sequence=pl.lit(6, pl.Int64), event_id="x" + pl.col("event_id"))
    kept = comparable(pl.concat([rows, other]), CANARY, warm_up=timedelta(seconds=100))
    expected = rows.filter(pl.col("received_at") >= SINCE + timedelta(seconds=100))
    assert 0 < kept.height < 100
    assert kept["event_id"].to_list() == expected["event_id"].to_list()
    assert kept["percent"].unique().to_list() == [50]


def test_the_champions_answer_in_place_of_a_failed_challenger_and_repeated_requests_are_left_out() -> None:
    rows = observed(requests=100)
    challenger = rows.filter("is_challenger").head(3).with_columns(has_failed=True)
    again = challenger.with_columns(pl.col("received_at") + timedelta(seconds=1))
    stand_in = challenger.with_columns(is_challenger=False, has_failed=False)
    kept = comparable(pl.concat([stand_in, challenger, again]), CANARY, warm_up=NO_WARM_UP)
    assert kept["event_id"].to_list() == challenger["event_id"].to_list()
    assert kept["is_challenger"].all()
    assert kept["received_at"].to_list() == challenger["received_at"].to_list()


def test_the_order_of_the_rows_does_not_matter() -> None:
    rows = observed(requests=200)
    steps = (Step(6, 5, SINCE - timedelta(hours=1)), Step(7, 50, SINCE))
    canary = Canary("fraud_detection", 1, 2, steps)
    there, shuffled = (
        comparable(frame, canary, warm_up=NO_WARM_UP)
        for frame in (rows, rows.sample(fraction=1, shuffle=True, seed=1))
    )
    assert there.equals(shuffled)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(MonitoringError, match="no column score"):
        comparable(observed(requests=10).drop("score"), CANARY, warm_up=NO_WARM_UP)


def test_a_larger_share_is_an_experiment_of_those_whom_the_challenger_did_not_answer_yet() -> None:
    draw = Draw("fraud_detection", 2)
    steps = tuple(
        Step(5 + number, percent, SINCE + timedelta(hours=number))
        for number, percent in enumerate((5, 5, 25))
    )
    rows = observed(requests=3_000).with_columns(
        plan_sequence=5 + pl.int_range(pl.len()) // 1000,
        received_at=SINCE + pl.duration(hours=pl.int_range(pl.len()) // 1000, seconds=1),
        entity=(pl.int_range(pl.len()) % 1000).cast(pl.String),
    )
    kept = comparable(rows, Canary("fraud_detection", 1, 2, steps), warm_up=NO_WARM_UP)
    assert kept.height == 3_000
    of_plan = kept.group_by("plan_sequence", maintain_order=True).agg(
        pl.col("step").unique(), pl.col("percent").unique(), pl.col("is_compared").mean()
    )
    assert of_plan["step"].to_list() == [[0], [0], [2]]
    assert of_plan["percent"].to_list() == [[5], [5], [21]]  # 20 of 95
    assert of_plan["is_compared"].to_list()[:2] == [1.0, 1.0]
    last = kept.filter(plan_sequence=7)
    assert last["is_compared"].to_list() == [draw.bucket(entity) >= 500 for entity in last["entity"]]
