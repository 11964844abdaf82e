"""The batched event log stores what Dagster's own stores, some events at a time, all of them or none."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from mlops_assets.commands.dagster_home import INSTANCE_YAML
from mlops_assets.resources.event_log import BatchedSqliteEventLog

DAYS = dg.DailyPartitionsDefinition(start_date="2018-04-01", end_date="2018-05-01", timezone="UTC")
KEY = dg.AssetKey("amounts")
SILENT = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dg.asset(
    partitions_def=DAYS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    check_specs=[dg.AssetCheckSpec("positive", asset="amounts")],
)
def amounts(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """One row is an amount."""
    context.add_asset_metadata({"rows": 7}, partition_key="2018-04-03")
    return dg.MaterializeResult(
        metadata={"changed": True},
        data_version=dg.DataVersion("5"),
        check_results=[dg.AssetCheckResult(check_name="positive", passed=True)],
    )


def instance(folder: Path, configuration: str) -> dg.DagsterInstance:
    folder.mkdir()
    (folder / "dagster.yaml").write_text(configuration)
    return dg.DagsterInstance.from_config(str(folder))


def materialize_month(instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    tags = {
        "dagster/asset_partition_range_start": "2018-04-01",
        "dagster/asset_partition_range_end": "2018-04-30",
    }
    return dg.materialize([amounts], instance=instance, tags=tags, run_config=SILENT)


def told(instance: dg.DagsterInstance) -> dict[str, Any]:
    """All that the two event logs could differ in, save ids and times."""
    (run,) = instance.get_runs()
    records = instance.fetch_materializations(KEY, limit=100).records
    latest = instance.get_latest_materialization_event(KEY)
    (asset,) = instance.get_asset_records([KEY])
    entry = asset.asset_entry
    assert latest is not None
    return {
        "log": [
            (event.dagster_event_type, event.step_key, event.dagster_event and event.dagster_event.partition)
            for event in instance.all_logs(run.run_id)
            if event.is_dagster_event
        ],
        "materializations": [
            (r.partition_key, r.asset_materialization and r.asset_materialization.metadata) for r in records
        ],
        "partitions": instance.get_materialized_partitions(KEY),
        "tags": latest.asset_materialization and set(latest.asset_materialization.tags or {}),
        "latest": latest.asset_materialization and latest.asset_materialization.partition,
        "entry": (entry.last_run_id == run.run_id, entry.last_materialization_record is not None),
        "checks": instance.event_log_storage.get_asset_check_summary_records(
            [dg.AssetCheckKey(KEY, "positive")]
        ).keys(),
        "data_versions": instance.event_log_storage.get_latest_tags_by_partition(
            KEY, dg.DagsterEventType.ASSET_MATERIALIZATION, tag_keys=["dagster/data_version"]
        ),
    }


@pytest.mark.parametrize("batch_size", ["0", "7", "1000"])
def test_it_tells_the_same_as_dagsters_own_event_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_size: str
) -> None:
    with instance(tmp_path / "own", "telemetry: {enabled: false}") as own:
        assert materialize_month(own).success
        expected = told(own)
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", batch_size)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "batched"))
    with instance(tmp_path / "batched", INSTANCE_YAML) as batched:
        assert materialize_month(batched).success
        assert told(batched) == expected
    assert len(expected["partitions"]) == 30
    own_files, files = (
        {path.relative_to(tmp_path / name).parent for path in (tmp_path / name).rglob("*.db")}
        for name in ("own", "batched")
    )
    assert files == own_files


def planned(log: SqliteEventLogStorage, days: int) -> list[dg.EventLogEntry]:
    """Events of one run, as Dagster writes them when a run is created; the log has never seen the run."""
    with dg.instance_for_test() as other:
        run_id = materialize_month(other).run_id
        wanted = {dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED}
        entries = other.all_logs(run_id, of_type=wanted)
    assert not log.get_logs_for_run(run_id)
    return list(entries[:days])


def test_a_batch_that_fails_inside_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = BatchedSqliteEventLog(str(tmp_path))
    events = planned(log, 5)
    store_event = SqliteEventLogStorage.store_event

    def fail_at_the_third(self: SqliteEventLogStorage, event: dg.EventLogEntry) -> None:
        if event is events[2]:
            raise OSError("the disk is full")
        store_event(self, event)

    with monkeypatch.context() as patched:
        patched.setattr(SqliteEventLogStorage, "store_event", fail_at_the_third)
        with pytest.raises(OSError, match="the disk is full"):
            log.store_event_batch(events)
    assert log.get_logs_for_run(events[0].run_id) == []
    assert not log.has_asset_key(KEY)
    log.store_event_batch(events)
    assert len(log.get_logs_for_run(events[0].run_id)) == 5
    assert log.has_asset_key(KEY)


def test_others_read_the_log_while_a_batch_is_being_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, reader = BatchedSqliteEventLog(str(tmp_path)), SqliteEventLogStorage(str(tmp_path))
    first, *rest = planned(log, 5)
    log.store_event(first)
    store_event = SqliteEventLogStorage.store_event
    seen: list[int] = []

    def look_then_store(self: SqliteEventLogStorage, event: dg.EventLogEntry) -> None:
        store_event(self, event)
        seen.append(len(reader.get_logs_for_run(event.run_id)))

    monkeypatch.setattr(SqliteEventLogStorage, "store_event", look_then_store)
    log.store_event_batch(rest)
    assert seen == [1, 1, 1, 1]
    assert len(reader.get_logs_for_run(first.run_id)) == 5


def test_the_embedded_setup_uses_it() -> None:
    declared = yaml.safe_load(INSTANCE_YAML)["event_log_storage"]
    assert declared == {"module": BatchedSqliteEventLog.__module__, "class": BatchedSqliteEventLog.__name__}
