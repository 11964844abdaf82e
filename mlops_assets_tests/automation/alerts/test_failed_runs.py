"""Failed runs and checks of a real instance: each is told once, and ended by the success of the same work."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from mlops_assets.automation.alerts.failed_runs import RunsLook, new_runs, product_of, run_conditions, work_of
from mlops_assets.core.alerts.lifecycle import Condition, Key
from mlops_assets.core.alerts.rules import Rule
from mlops_assets_tests.support.alerts.failing_runs import run_events, run_model

FAILED = Key(
    "fraud_detection",
    "run_failure",
    "fraud_detection__retrain, 2026-05-01: fraud_detection__model (MemoryError)",
)
CHECK = Key("fraud_detection", "check_failure", "fraud_detection/events: contract")
RULE = Rule(name="run_failure", severity="critical", runbook="page", sinks=("mail",))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def begin() -> RunsLook:
    return RunsLook(datetime.now(UTC))


def said(
    instance: dg.DagsterInstance, look: RunsLook, *open_keys: Key, rule: Rule | None = RULE
) -> tuple[list[Condition], RunsLook]:
    records, after = new_runs(instance, look)
    found = run_conditions(
        instance, records, open_keys=open_keys, rule_of=lambda *_: rule, ui_url="http://ui"
    )
    return list(found), RunsLook.parse(after.text)


def test_a_failed_run_is_told_by_work_step_and_error_class_without_its_message(
    instance: dg.DagsterInstance,
) -> None:
    look = begin()
    run = run_model(instance, fails=True)
    (one,), look = said(instance, look)
    assert (one.key, one.state, one.link) == (FAILED, "firing", f"http://ui/runs/{run}")
    assert (one.severity, one.runbook, one.sinks) == ("critical", "page", ("mail",))
    assert one.remind_after == timedelta(days=1)
    assert run in one.reason
    assert "4111" not in repr(one)
    assert said(instance, look)[0] == []


def test_a_success_ends_what_failed_of_the_same_work_only(instance: dg.DagsterInstance) -> None:
    look = begin()
    run_model(instance, fails=True)
    run_model(instance, "2026-05-02", fails=False)
    run_model(instance, fails=False)
    found, look = said(instance, look)
    assert [(one.key, one.state) for one in found] == [(FAILED, "firing"), (FAILED, "clear")]
    run_model(instance, fails=False)
    assert said(instance, look)[0] == []
    found, _ = said(instance, look, FAILED)
    assert {(one.key, one.state) for one in found} == {(FAILED, "clear")}


def test_a_failed_error_check_of_a_green_run_is_told_until_it_passes(instance: dg.DagsterInstance) -> None:
    look = begin()
    run_events(instance, check_passes=False, warning_passes=False)
    found, look = said(instance, look)
    assert [(one.key, one.state) for one in found] == [(CHECK, "firing")]
    run_events(instance, check_passes=True)
    found, look = said(instance, look, CHECK)
    assert [(one.key, one.state) for one in found] == [(CHECK, "clear")]
    run_events(instance, check_passes=True)
    assert said(instance, look)[0] == []


def test_a_rule_that_is_switched_off_tells_nothing_and_ends_what_stands(instance: dg.DagsterInstance) -> None:
    look = begin()
    run_model(instance, fails=True)
    assert said(instance, look, rule=None)[0] == []
    found, _ = said(instance, look, FAILED, rule=None)
    assert [(one.key, one.state) for one in found] == [(FAILED, "clear")]


def test_a_run_of_long_ago_that_gets_a_tag_is_no_news(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_model(instance, fails=True)
    later = RunsLook(datetime.now(UTC) + timedelta(hours=1))
    assert said(instance, later)[0] == []
    monkeypatch.setattr(
        "dagster._core.storage.runs.sql_run_storage.get_current_datetime", lambda: later.newest
    )
    instance.add_run_tags(run, {"note": "seen"})
    assert said(instance, later)[0] == []


def test_the_product_is_the_tags_or_that_of_all_assets(instance: dg.DagsterInstance) -> None:
    run_model(instance, fails=False)
    (run,) = instance.get_runs()
    assert product_of(run) == "fraud_detection"
    several = {dg.AssetKey(["a", "events"]), dg.AssetKey(["b", "events"])}
    assert product_of(dg.DagsterRun(job_name="j", asset_selection=frozenset(several))) == ""
    assert (
        product_of(dg.DagsterRun(job_name="j", asset_selection=frozenset([dg.AssetKey(["a", "x"])]))) == "a"
    )


def test_work_is_a_job_or_the_assets_that_a_person_chose_and_its_days() -> None:
    chosen = frozenset(dg.AssetKey(["p", name]) for name in "ba")
    assert work_of(dg.DagsterRun(job_name="__ASSET_JOB", asset_selection=chosen)) == "p/a, p/b"
    days = {
        "dagster/asset_partition_range_start": "2026-05-01",
        "dagster/asset_partition_range_end": "2026-05-07",
    }
    assert work_of(dg.DagsterRun(job_name="p__ingest", tags=days)) == "p__ingest, 2026-05-01 to 2026-05-07"
    many = frozenset(dg.AssetKey(["p", name]) for name in "abcdefg")
    assert work_of(dg.DagsterRun(job_name="__ASSET_JOB", asset_selection=many)).endswith("p/e and 2 more")
