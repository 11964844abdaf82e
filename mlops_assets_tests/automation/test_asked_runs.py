"""What became of the runs that a sensor asked for."""

from datetime import UTC, datetime

import dagster as dg

from mlops_assets.automation.asked_runs import ended_runs, unfinished_run
from mlops_assets.automation.run_tags import TRIGGER


def test_runs_that_ended_are_known_by_their_key_and_one_that_has_not_is_named() -> None:
    @dg.job
    def daily() -> None:
        pass

    with dg.DagsterInstance.ephemeral() as instance:
        assert unfinished_run(instance, "daily") is None
        for trigger, key in (("late", "a"), ("late", "b"), ("schedule", "c")):
            daily.execute_in_process(instance=instance, tags={TRIGGER: trigger, "dagster/run_key": key})
        daily.execute_in_process(instance=instance, tags={TRIGGER: "late"})
        ended = ended_runs(instance, "daily", trigger="late")
        assert set(ended) == {"a", "b"}
        assert all(at <= datetime.now(UTC) for at in ended.values())
        run = instance.create_run_for_job(daily, status=dg.DagsterRunStatus.STARTED)
        assert unfinished_run(instance, "daily") == run.run_id
        assert unfinished_run(instance, "weekly") is None
