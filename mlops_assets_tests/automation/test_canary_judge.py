"""What the canary judge asks for: by hand, and on a real instance, registry and online store."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from mlops_assets.automation.canary_judge import (
    PastStep,
    canary_judge_sensor,
    decide,
    read_past_steps,
)
from mlops_assets.automation.release_jobs import release_jobs
from mlops_assets.catalogue import load_product
from mlops_assets.core.canary.judge import Judgement
from mlops_assets.core.errors import ConfigurationError
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets.resources.online_stores import OnlineStores
from mlops_assets.resources.tracking import TrackingResource
from mlops_assets_tests.support.canary_rows import CANARY, NOW
from mlops_assets_tests.support.homes.canary_home import (
    PRODUCT,
    CanaryHome,
    make_canary_home,
    served,
)

ADVANCE, BAD = Judgement("advance", "all is well"), Judgement("roll_back", "it does harm")
COOLDOWN = timedelta(minutes=10)
SPEC = load_product(PRODUCT).spec


def asked(judgement: Judgement, *past: PastStep) -> tuple[str, str | None]:
    found = decide(judgement, past, canary=CANARY, cooldown=COOLDOWN, now=NOW)
    return found.reason, found.run_key


def step(state: str, *, sequence: int = 7, action: str = "advance", minutes_ago: float = 60) -> PastStep:
    ended = None if state == "running" else NOW - timedelta(minutes=minutes_ago)
    return PastStep(sequence, action, state, ended, "run-1")  # type: ignore[arg-type]


def test_holding_asks_for_nothing_and_says_why() -> None:
    assert asked(Judgement("hold", "too early")) == ("too early", None)


def test_a_judgement_is_asked_for_once_per_plan_under_the_same_key() -> None:
    assert asked(ADVANCE) == ("all is well", "fraud_detection:advance:plan-7")
    assert asked(BAD) == ("it does harm", "fraud_detection:rollback:plan-7")
    assert asked(ADVANCE, step("succeeded", sequence=6))[1] == "fraud_detection:advance:plan-7"


@pytest.mark.parametrize("action", ["advance", "roll_back"])
def test_nothing_is_asked_while_a_step_of_the_plan_runs(action: str) -> None:
    reason, key = asked(BAD, step("running", action=action))
    assert key is None
    assert reason == "it does harm; run run-1 has not ended"


def test_harm_is_rolled_back_even_after_an_advance_that_failed() -> None:
    assert asked(BAD, step("failed", minutes_ago=1))[1] == "fraud_detection:rollback:plan-7"


def test_a_failed_step_is_asked_for_again_after_the_cool_down_under_a_key_of_its_own() -> None:
    reason, key = asked(ADVANCE, step("failed", minutes_ago=9))
    assert key is None
    assert "the run for it failed, the next may be asked for at" in reason
    assert asked(ADVANCE, step("failed", minutes_ago=10))[1] == (
        "fraud_detection:advance:plan-7:after-1-failures"
    )
    twice = (step("failed", minutes_ago=60), step("failed", minutes_ago=30))
    assert asked(ADVANCE, *twice)[1] == "fraud_detection:advance:plan-7:after-2-failures"


def test_a_step_that_ended_without_another_plan_is_not_repeated() -> None:
    assert asked(ADVANCE, step("succeeded")) == (
        "all is well; run run-1 was to do that and ended, but plan 7 stands",
        None,
    )


def test_both_jobs_are_needed() -> None:
    with pytest.raises(ConfigurationError, match="fraud_detection__advance, fraud_detection__rollback"):
        canary_judge_sensor(SPEC, jobs=[])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> CanaryHome:
    return make_canary_home(tmp_path_factory.mktemp("home"))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


def tick(home: CanaryHome, instance: dg.DagsterInstance) -> tuple[dg.RunRequest | None, str | None]:
    jobs = release_jobs(SPEC)
    sensor = canary_judge_sensor(SPEC, jobs=jobs)
    assert sensor.default_status is dg.DefaultSensorStatus.STOPPED
    resources = resources_of(home)
    definitions = dg.Definitions(jobs=jobs, sensors=[sensor], resources=resources)
    context = dg.build_sensor_context(instance=instance, definitions=definitions, resources=resources)
    data = sensor.evaluate_tick(context)
    return (data.run_requests[0] if data.run_requests else None), data.skip_message


def resources_of(home: CanaryHome) -> dict[str, Any]:
    return {
        "lakehouse": LakehouseResource(tables_uri=home.settings.tables_uri),
        "tracking": TrackingResource(
            tracking_uri=home.settings.tracking_uri, artifacts_uri=str(home.root), ui_url=""
        ),
        "online_stores": OnlineStores(home.settings.online_store),
    }


def test_the_sensor_holds_then_has_a_harmful_challenger_rolled_back(
    home: CanaryHome, instance: dg.DagsterInstance
) -> None:
    request, skip = tick(home, instance)
    assert request is None
    assert "has answered 0 of at least 1,000 requests" in str(skip)
    home.capture(served(home, sequence=2, requests=2_500, errors=(0.0, 0.05)))
    request, _ = tick(home, instance)
    assert request is not None
    assert request.job_name == "fraud_detection__rollback"
    assert request.tags["mlops/plan_sequence"] == "2"
    assert {row["question"] for row in json.loads(request.tags["mlops/evidence"])} >= {"error", "loss"}
    job = next(job for job in release_jobs(SPEC) if job.name == request.job_name)
    result = job.execute_in_process(
        run_config=request.run_config, tags=request.tags, instance=instance, resources=resources_of(home)
    )
    assert result.success
    plan = home.control.standing(PRODUCT)
    assert plan is not None
    assert (plan.mode, plan.champion.version, plan.other) == ("rollback", 1, None)
    assert plan.by == "fraud_detection__canary_judge"
    assert plan.reason == request.tags["mlops/judgement"]
    assert [(past.sequence, past.action, past.state) for past in read_past_steps(instance, PRODUCT)] == [
        (2, "roll_back", "succeeded")
    ]
    assert tick(home, instance) == (None, "no canary stands; the last judgement on version 2 is noted")
    assert tick(home, instance) == (None, "no canary stands")
    kept = home.tables.read(PRODUCT, "canary_evidence").sort("at")
    judgements = kept.select("at", "action", "is_final").unique(maintain_order=True)
    assert judgements.drop("at").rows() == [("hold", False), ("roll_back", False), ("roll_back", True)]
    late = job.execute_in_process(
        run_config=request.run_config,
        instance=instance,
        resources=resources_of(home),
        raise_on_error=False,
    )
    assert not late.success
    assert datetime.now(UTC) > plan.since
