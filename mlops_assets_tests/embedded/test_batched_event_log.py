"""The batched event log answers as Dagster's own does, in the same files, with fewer commits."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import dagster as dg
import pytest
from dagster._core.storage.event_log import SqlEventLogStorage
from sqlalchemy import event
from sqlalchemy.engine import Engine

from mlops_assets.automation.run_tags import day_range_tags
from mlops_assets.core.settings import load_settings
from mlops_assets.embedded.batched_event_log import BatchedEventLog
from mlops_assets.embedded.dagster_home import dagster_instance

DAYS = [f"2026-01-{day:02d}" for day in range(1, 11)]
KEY = dg.AssetKey("noun")
PLANNED, DONE = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED, dg.DagsterEventType.ASSET_MATERIALIZATION


@dg.asset(
    partitions_def=dg.DailyPartitionsDefinition("2026-01-01"),
    backfill_policy=dg.BackfillPolicy.single_run(),
    check_specs=[dg.AssetCheckSpec("good", asset="noun")],
)
def noun(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    for number, day in enumerate(context.partition_keys):
        context.add_asset_metadata({"rows": number}, asset_key=KEY, partition_key=day)
    return dg.MaterializeResult(
        data_version=dg.DataVersion("7"), check_results=[dg.AssetCheckResult(passed=True, check_name="good")]
    )


def instance_at(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, log: Literal["ours", "Dagster's"]
) -> dg.DagsterInstance:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    home = folder / "dagster"
    if log == "Dagster's":
        home.mkdir(parents=True)
        (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    instance = dagster_instance(load_settings({"MLOPS_HOME": str(folder)}, working_directory=folder))
    assert isinstance(instance.event_log_storage, BatchedEventLog) == (log == "ours")
    return instance


def materialize(instance: dg.DagsterInstance) -> str:
    job = dg.Definitions(assets=[noun]).resolve_implicit_global_asset_job_def()
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    return job.execute_in_process(
        instance=instance, tags=day_range_tags(DAYS[0], DAYS[-1]), run_config=quiet
    ).run_id


def answers(instance: dg.DagsterInstance, run_id: str) -> list[object]:
    """What Dagster's pages ask of the log, without times and ids."""
    found = []
    for kind in (PLANNED, DONE):
        records = instance.event_log_storage.get_event_records(
            dg.EventRecordsFilter(event_type=kind, asset_key=KEY), ascending=True
        )
        found.append([(r.partition_key, r.event_log_entry.run_id == run_id) for r in records])
    done = instance.fetch_materializations(KEY, limit=100, ascending=True).records
    made = [record.asset_materialization for record in done]
    found.append([(m.metadata, sorted(m.tags or {})) for m in made if m])
    (asset,) = instance.get_asset_records([KEY])
    newest = instance.get_latest_materialization_event(KEY)
    of_day = newest.asset_materialization.partition if newest and newest.asset_materialization else None
    found.append((of_day, asset.asset_entry.last_run_id == run_id))
    found.append(
        sorted(e.dagster_event_type.value for e in instance.all_logs(run_id) if e.dagster_event_type)
    )
    found.append(instance.event_log_storage.get_materialized_partitions(KEY))
    tagged = instance.event_log_storage.get_event_tags_for_asset(KEY, filter_event_id=done[-1].storage_id)
    found.append([sorted(tags) for tags in tagged])
    check = dg.AssetCheckKey(KEY, "good")
    history = instance.event_log_storage.get_asset_check_execution_history(check, limit=5)
    found.append([record.status.value for record in history])
    return found


def test_it_answers_as_dagsters_own_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for log in ("ours", "Dagster's"):
        with instance_at(tmp_path / log, monkeypatch, log=log) as instance:
            found.append(answers(instance, materialize(instance)))
    assert found[0] == found[1]
    assert [day for day, _ in found[0][1]] == DAYS


def test_ten_partitions_are_stored_in_few_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commits: dict[str, int] = {}
    for log in ("ours", "Dagster's"):
        with instance_at(tmp_path / log, monkeypatch, log=log) as instance:
            counted = []

            def count(_connection: object, *, counted: list[int] = counted) -> None:
                counted.append(1)

            event.listen(Engine, "commit", count)
            try:
                materialize(instance)
            finally:
                event.remove(Engine, "commit", count)
            commits[log] = len(counted)
    assert commits["ours"] < commits["Dagster's"] - 2 * len(DAYS)


def test_either_log_reads_what_the_other_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with instance_at(tmp_path, monkeypatch, log="ours") as instance:
        run_id = materialize(instance)
        expected = answers(instance, run_id)
    (tmp_path / "dagster" / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    with dg.DagsterInstance.get() as instance:
        assert not isinstance(instance.event_log_storage, BatchedEventLog)
        assert answers(instance, run_id) == expected


def without_tags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(SqlEventLogStorage, "store_asset_event_tags")


def with_other_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    def store_asset_event(self: object, conn: object, event: object, event_id: int) -> None:
        raise AssertionError("a method that is not as known is not called")

    monkeypatch.setattr(SqlEventLogStorage, "store_asset_event", store_asset_event)


@pytest.mark.parametrize("break_dagster", [without_tags, with_other_parameters])
def test_where_dagsters_methods_are_not_as_known_it_behaves_as_dagsters_own_and_says_so_once(
    break_dagster: Callable[[pytest.MonkeyPatch], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with instance_at(tmp_path / "Dagster's", monkeypatch, log="Dagster's") as instance:
        expected = answers(instance, materialize(instance))
    break_dagster(monkeypatch)
    with instance_at(tmp_path / "ours", monkeypatch, log="ours") as instance:
        assert answers(instance, materialize(instance)) == expected
        materialize(instance)
    said = [r.message for r in caplog.records if r.name == "mlops_assets.embedded.batched_event_log"]
    assert len(said) == 1
    assert "events are stored one by one" in said[0]
