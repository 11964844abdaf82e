"""When drift asks for a retraining, on histories by hand and on a real Dagster instance."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.automation.retrain_on_drift import (
    Decision,
    PastRetraining,
    decide,
    read_past_retrainings,
    retrain_on_drift_sensor,
)
from mlops_assets.automation.window_verdicts import Window
from mlops_assets.core.errors import ConfigurationError
from mlops_assets.core.product_spec import Monitoring
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets.resources.tracking import TrackingResource
from mlops_assets_tests.support.product_specs import COHORT, FRAUD

MONITORING = Monitoring(alarms=2, of_windows=3, cooldown_days=7)
DAY_ONE = date(2018, 8, 1)


def _day(number: int) -> date:
    return DAY_ONE + timedelta(days=number - 1)


def _drift(number: int, *columns: str, champion: int = 1) -> Window:
    """The drift report of a day; without columns it is stable."""
    verdict = "drift" if columns else "stable"
    return Window("drift_report", _day(number), verdict, champion, columns)


def _past(number: int, *causes: str, state: str = "succeeded", champion: int = 1) -> PastRetraining:
    return PastRetraining(champion, _day(number), frozenset(causes), state, f"run-{number}")  # type: ignore[arg-type]


def _decide(windows: list[Window], past: list[PastRetraining] | None = None) -> Decision:
    return decide(windows, past or [], product="fraud_detection", monitoring=MONITORING)


def test_nothing_judged_yet_waits():
    assert _decide([]).reason == "no window has been judged yet"


def test_k_of_n_alarms_ask_and_say_since_when_and_why():
    decision = _decide([_drift(1), _drift(2, "amount_usd"), _drift(3), _drift(4, "score")])
    assert decision.action == "retrain"
    assert decision.causes == ("drift:amount_usd", "drift:score")
    assert decision.window_end == _day(4)
    assert decision.reason == (
        "2 of the 3 latest windows of version 1 alarm since 2018-08-04: drift:amount_usd, drift:score"
    )


@pytest.mark.parametrize("last", [_drift(5), Window("drift_report", _day(5), "inconclusive", 1)])
def test_fewer_alarms_than_k_wait_and_inconclusive_is_no_alarm(last: Window):
    decision = _decide([_drift(3, "amount_usd"), _drift(4), last])
    assert decision.action == "wait"
    assert decision.reason == "1 of the 3 latest windows of version 1 alarm, 2 of 3 are needed"


def test_drift_and_performance_of_one_day_are_one_window():
    degraded = Window("performance_report", _day(4), "degraded", 1)
    assert _decide([_drift(3), _drift(4, "amount_usd"), degraded]).action == "wait"
    decision = _decide([_drift(3, "amount_usd"), _drift(4), degraded])
    assert decision.causes == ("drift:amount_usd", "performance")


def test_windows_of_an_earlier_champion_do_not_count_against_the_new_one():
    assert _decide([_drift(1, "a"), _drift(2, "a"), _drift(3, "a", champion=2)]).action == "wait"


def test_the_same_history_gives_the_same_run_key_and_a_longer_alarm_keeps_it():
    windows = [_drift(1), _drift(2, "a"), _drift(3, "a")]
    key = _decide(windows).run_key
    assert key is not None
    assert key.startswith("fraud_detection:v1:2018-08-03:")
    assert _decide(windows).run_key == key
    assert _decide([*windows, _drift(4, "a")]).run_key == key
    assert _decide([*windows, _drift(4, "a", "b")]).run_key != key
    assert _decide([*[_drift(i, "a", champion=2) for i in (2, 3)]]).run_key != key


def test_a_running_retraining_is_waited_for():
    decision = _decide([_drift(20, "a"), _drift(21, "a")], [_past(2, "drift:a", state="running")])
    assert decision.reason.endswith("the retraining asked for on 2018-08-02 (run run-2) has not ended")


@pytest.mark.parametrize(("newest", "action"), [(8, "wait"), (9, "retrain")])
def test_the_cool_down_counts_days_of_the_data_whatever_the_cause_or_champion(newest: int, action: str):
    windows = [_drift(newest - 1, "b", champion=2), _drift(newest, "b", champion=2)]
    decision = _decide(windows, [_past(2, "drift:a", champion=1)])
    assert decision.action == action
    if action == "wait":
        assert decision.reason.endswith("on 2018-08-02, and the cool-down lasts until 2018-08-09")


def test_an_unchanged_champion_is_not_retrained_twice_for_one_cause():
    windows = [_drift(i, "a") for i in range(1, 31)]
    decision = _decide(windows, [_past(2, "drift:a", "drift:b")])
    assert decision.action == "wait"
    assert "run-2) had the same cause and version 1 is still the champion" in decision.reason


def test_a_further_column_is_a_new_cause():
    windows = [*[_drift(i, "a") for i in range(1, 29)], _drift(29, "a", "c"), _drift(30, "a", "c")]
    assert _decide(windows, [_past(2, "drift:a")]).action == "retrain"


def test_the_same_cause_is_new_when_the_alarm_had_ended_in_between():
    windows = [
        _drift(1, "a"),
        _drift(2, "a"),
        *[_drift(i) for i in range(3, 20)],
        _drift(20, "a"),
        _drift(21, "a"),
    ]
    assert _decide(windows, [_past(2, "drift:a")]).action == "retrain"


def test_a_failed_retraining_is_asked_for_again_after_the_cool_down_under_a_new_key():
    windows = [_drift(i, "a") for i in range(1, 11)]
    first = _decide(windows[:2])
    failed = _past(2, "drift:a", state="failed")
    assert _decide(windows[:8], [failed]).action == "wait"
    again = _decide(windows, [failed])
    assert again.action == "retrain"
    assert again.run_key == f"{first.run_key}:after-2018-08-02"


def test_an_alarm_without_named_columns_still_has_a_cause():
    windows = [Window("drift_report", _day(i), "drift", 1) for i in (1, 2)]
    assert _decide(windows).causes == ("drift",)


@given(
    alarms=st.lists(st.sampled_from([(), ("a",), ("b",), ("a", "b")]), min_size=1, max_size=40),
    is_released=st.booleans(),
)
def test_replayed_day_by_day_it_keeps_the_cool_down_and_never_repeats_a_key(
    alarms: list[tuple[str, ...]], is_released: bool
):
    windows: list[Window] = []
    past: list[PastRetraining] = []
    keys: list[str] = []
    champion = 1
    for number, columns in enumerate(alarms, start=1):
        windows.append(_drift(number, *columns, champion=champion))
        decision = _decide(windows, past)
        if decision.action == "wait":
            continue
        assert decision.run_key is not None
        assert not past or _day(number) - past[-1].window_end >= timedelta(days=MONITORING.cooldown_days)
        assert sum(window.is_alarm for window in windows[-3:]) >= MONITORING.alarms
        keys.append(decision.run_key)
        past.append(_past(number, *decision.causes, champion=champion))
        champion += is_released
    assert len(keys) == len(set(keys))


PARTITIONS = dg.DailyPartitionsDefinition(start_date="2018-08-01", end_date="2018-10-01")


class Columns(dg.Config):
    columns: list[str]


class Fault(dg.Config):
    fail: bool = False


@dg.asset(key=["fraud_detection", "drift_report"], partitions_def=PARTITIONS)
def drift_report(context: dg.AssetExecutionContext, config: Columns) -> dg.MaterializeResult:
    columns = config.columns
    return dg.MaterializeResult(
        metadata={
            "verdict": "drift" if columns else "stable",
            "window_end": context.partition_key,
            "champion_version": 1,
            "alarmed_columns": dg.MetadataValue.json(columns),
        }
    )


@dg.asset(key=["fraud_detection", "model"])
def model(config: Fault) -> None:
    if config.fail:
        raise RuntimeError("no memory")


RETRAIN = dg.define_asset_job("fraud_detection__retrain", selection=[model.key])
SENSOR = retrain_on_drift_sensor(FRAUD, RETRAIN.name)


@dataclass(frozen=True)
class Home:
    """A Dagster instance, and the folder of the lakehouse and registry that the sensor's notes go to."""

    instance: dg.DagsterInstance
    definitions: dg.Definitions
    resources: dict[str, object]
    control: ReleaseControl


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    tables, tracking = str(tmp_path / "tables"), f"sqlite:///{tmp_path}/mlflow.db"
    resources: dict[str, object] = {
        "lakehouse": LakehouseResource(tables_uri=tables),
        "tracking": TrackingResource(
            tracking_uri=tracking, artifacts_uri=str(tmp_path / "artifacts"), ui_url=""
        ),
    }
    definitions = dg.Definitions(
        assets=[drift_report, model], jobs=[RETRAIN], sensors=[SENSOR], resources=resources
    )
    with dg.instance_for_test() as instance:
        yield Home(instance, definitions, resources, ReleaseControl(tables, tracking))


def _report(home: Home, day: str, *columns: str) -> None:
    config = {"ops": {"fraud_detection__drift_report": {"config": {"columns": list(columns)}}}}
    assert dg.materialize(
        [drift_report], instance=home.instance, partition_key=day, run_config=config
    ).success


def _tick(home: Home, cursor: str | None) -> tuple[dg.RunRequest | None, str | None, str | None]:
    context = dg.build_sensor_context(
        instance=home.instance, cursor=cursor, definitions=home.definitions, resources=home.resources
    )
    data = SENSOR.evaluate_tick(context)
    request = data.run_requests[0] if data.run_requests else None
    return request, data.skip_message, data.cursor


def _launch(home: Home, request: dg.RunRequest, *, fail: bool = False) -> None:
    job = home.definitions.resolve_job_def("fraud_detection__retrain")
    config = {"ops": {"fraud_detection__model": {"config": {"fail": fail}}}}
    result = job.execute_in_process(
        instance=home.instance, tags=request.tags, run_config=config, raise_on_error=False
    )
    assert result.success is not fail


def test_the_sensor_is_off_until_someone_switches_it_on():
    assert SENSOR.name == "fraud_detection__retrain_on_drift"
    assert SENSOR.default_status is dg.DefaultSensorStatus.STOPPED


def test_the_sensor_asks_once_and_an_unreleased_candidate_starts_no_loop(home: Home):
    request, skip, cursor = _tick(home, None)
    assert (request, skip) == (None, "no window has been judged yet")
    _report(home, "2018-08-01", "amount_usd")
    _report(home, "2018-08-02", "amount_usd")
    request, _, cursor = _tick(home, cursor)
    assert request is not None
    assert request.tags["mlops/as_of"] == "2018-08-03"
    assert json.loads(request.tags["mlops/cause"]) == ["drift:amount_usd"]
    _launch(home, request)
    request, skip, cursor = _tick(home, cursor)
    assert request is None
    assert str(skip).startswith("2 of the 2 latest windows of version 1 alarm since 2018-08-02")
    assert "(no report since " in str(skip)
    _report(home, "2018-08-03", "amount_usd")
    request, skip, cursor = _tick(home, cursor)
    assert request is None
    assert "the cool-down lasts until 2018-08-09" in str(skip)
    for day in range(4, 12):
        _report(home, f"2018-08-{day:02}", "amount_usd")
    request, skip, _ = _tick(home, cursor)
    assert request is None
    assert "had the same cause and version 1 is still the champion" in str(skip)


def test_the_sensor_waits_for_a_run_that_is_still_reporting(home: Home):
    answers: list[tuple[dg.RunRequest | None, str | None, str | None]] = []

    @dg.asset(key=["fraud_detection", "verdicts"], deps=[drift_report], partitions_def=PARTITIONS)
    def verdicts() -> None:
        answers.append(_tick(home, "cursor"))

    _report(home, "2018-08-01", "amount_usd")
    config = {"ops": {"fraud_detection__drift_report": {"config": {"columns": ["amount_usd"]}}}}
    assert dg.materialize(
        [drift_report, verdicts], instance=home.instance, partition_key="2018-08-02", run_config=config
    ).success
    ((request, skip, cursor),) = answers
    assert (request, cursor) == (None, "cursor")
    assert "is still reporting" in str(skip)
    assert _tick(home, cursor)[0] is not None


def test_a_tick_that_is_repeated_before_the_run_exists_asks_with_the_same_key(home: Home):
    _report(home, "2018-08-01", "amount_usd")
    _report(home, "2018-08-02", "amount_usd")
    first, again = _tick(home, None)[0], _tick(home, None)[0]
    assert first is not None
    assert again is not None
    assert first.run_key == again.run_key


def test_the_last_answer_stands_until_there_is_another_report(home: Home):
    _report(home, "2018-08-01")
    _, answer, cursor = _tick(home, None)
    assert answer == "0 of the 1 latest windows of version 1 alarm, 2 of 3 are needed"
    for _ in range(2):
        _, again, cursor = _tick(home, cursor)
        assert str(again).startswith(f"{answer} (no report since ")
        assert str(again).endswith(" UTC)")


def test_a_cursor_of_before_is_another_look(home: Home):
    _report(home, "2018-08-01")
    for cursor in ("17", "", "{}", '{"record": "x"}'):
        assert _tick(home, cursor)[1] == "0 of the 1 latest windows of version 1 alarm, 2 of 3 are needed"


def test_what_was_asked_for_stands_in_the_record_once(home: Home):
    _report(home, "2018-08-01", "amount_usd")
    _report(home, "2018-08-02", "amount_usd")
    request, _, _ = _tick(home, None)
    _tick(home, None)
    assert request is not None
    (entry,) = home.control.record("fraud_detection").entries
    assert (entry.kind, entry.version, entry.by) == (
        "retraining_asked_for", 1, "fraud_detection__retrain_on_drift"
    )  # fmt: skip
    assert entry.detail == {"run_key": request.run_key, "causes": ["drift:amount_usd"]}
    assert "2 of the 2 latest windows" in entry.reason


def test_a_failed_run_is_read_as_failed(home: Home):
    _report(home, "2018-08-01", "amount_usd")
    _report(home, "2018-08-02", "amount_usd")
    request, _, _ = _tick(home, None)
    assert request is not None
    _launch(home, request, fail=True)
    (past,) = read_past_retrainings(home.instance, "fraud_detection")
    assert (past.state, past.champion_version, past.window_end) == ("failed", 1, date(2018, 8, 2))
    assert read_past_retrainings(home.instance, "mortality_risk") == ()


def test_the_as_of_day_can_be_turned_into_run_configuration(home: Home):
    sensor = retrain_on_drift_sensor(
        FRAUD, RETRAIN.name, run_config=lambda as_of: {"as_of": as_of.isoformat()}
    )
    _report(home, "2018-08-01", "amount_usd")
    _report(home, "2018-08-02", "amount_usd")
    data = sensor.evaluate_tick(
        dg.build_sensor_context(
            instance=home.instance, definitions=home.definitions, resources=home.resources
        )
    )
    assert data.run_requests is not None
    assert data.run_requests[0].run_config == {"as_of": "2018-08-03"}


def test_a_cohort_has_no_windows_to_watch():
    with pytest.raises(ConfigurationError, match="no time axis"):
        retrain_on_drift_sensor(COHORT, RETRAIN.name)
