"""What was decided outside of Dagster appears on the page of `release`, on a real instance and home."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from mlops_assets.automation.show_release import show_release_sensor
from mlops_assets.catalogue import load_product
from mlops_assets.core.release.plan import Order
from mlops_assets.core.release.steps import put_into_plan, roll_back
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets.resources.tracking import TrackingResource
from mlops_assets_tests.support.homes.small_registry import PRODUCT, SmallRegistry

KEY = dg.AssetKey([PRODUCT, "release"])
SENSOR = show_release_sensor(load_product(PRODUCT).spec)


@pytest.fixture
def small(original_registry: SmallRegistry, tmp_path: Path) -> SmallRegistry:
    small = original_registry.copy(tmp_path / "mlflow")
    small.release(1)
    return small


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


def order(reason: str) -> Order:
    return Order(datetime.now(UTC), "ann", reason)


def tick(
    small: SmallRegistry, instance: dg.DagsterInstance, cursor: str | None
) -> tuple[str | None, str | None]:
    """Skip message and cursor; what the sensor reports is stored, as the daemon does."""
    resources = {
        "lakehouse": LakehouseResource(tables_uri=small.settings.tables_uri),
        "tracking": TrackingResource(
            tracking_uri=small.settings.tracking_uri, artifacts_uri=str(small.root / "mlartifacts"), ui_url=""
        ),
    }
    context = dg.build_sensor_context(instance=instance, cursor=cursor, resources=resources)
    data = SENSOR.evaluate_tick(context)
    for event in data.asset_events:
        instance.report_runless_asset_event(event)
    return data.skip_message, data.cursor


def told(instance: dg.DagsterInstance) -> tuple[object, object]:
    newest = instance.get_latest_materialization_event(KEY)
    assert newest is not None
    assert newest.asset_materialization is not None
    metadata = newest.asset_materialization.metadata
    return metadata["released_version"].value, metadata["answers"].value


def test_a_rollback_from_the_command_line_is_shown_with_its_check_at_the_next_look(
    small: SmallRegistry, instance: dg.DagsterInstance
) -> None:
    control = small.control
    put_into_plan(
        control, control.version(PRODUCT, 2), mode="blue_green", order=order("new"), approval="automatic"
    )
    _, cursor = tick(small, instance, None)
    assert told(instance) == (2, "version 2 answers 100 %")
    roll_back(control, PRODUCT, order=order("complaints"))
    _, cursor = tick(small, instance, cursor)
    assert told(instance) == (1, "version 1 answers 100 %")
    assert small.read("release")["champion_version"].to_list() == [1, 2, 1]
    check = dg.AssetCheckKey(KEY, "release_is_up_to_date")
    (record,) = instance.event_log_storage.get_latest_asset_check_execution_by_key([check]).values()
    assert record.event is not None
    assert record.event.dagster_event is not None
    evaluation = record.event.dagster_event.asset_check_evaluation_data
    assert not evaluation.passed
    assert str(evaluation.description).startswith(
        "version 1 answers 100 %; version 4, the newest, has no part in it"
    )
    skip, again = tick(small, instance, cursor)
    assert (skip, again) == ("the page of `release` tells all that was decided", cursor)


def test_what_a_run_has_shown_is_not_shown_again(small: SmallRegistry, instance: dg.DagsterInstance) -> None:
    _, cursor = tick(small, instance, None)
    before = instance.fetch_materializations(KEY, limit=10).records
    skip, again = tick(small, instance, None)
    assert (skip, again) == ("a run has shown it already", cursor)
    assert len(instance.fetch_materializations(KEY, limit=10).records) == len(before) == 1


def test_nothing_is_shown_before_anything_was_released(
    original_registry: SmallRegistry, tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    small = original_registry.copy(tmp_path / "empty")
    assert tick(small, instance, None)[0] == "the page of `release` tells all that was decided"
    assert instance.get_latest_materialization_event(KEY) is None


def test_the_sensor_is_on_without_anybody_switching_it_on() -> None:
    assert SENSOR.default_status is dg.DefaultSensorStatus.RUNNING
