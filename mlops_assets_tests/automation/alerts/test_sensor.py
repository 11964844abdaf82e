"""The sensor `alerts`, evaluated as Dagster does it."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from mlops_assets.automation.alerts.sensor import alerts_sensor
from mlops_assets.core.alerts.outbox import LOCK
from mlops_assets.core.errors import AlertError
from mlops_assets.core.settings import Settings, load_settings
from mlops_assets.embedded.one_at_a_time import only_one
from mlops_assets.resources.lakehouse import LakehouseResource


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"MLOPS_HOME": str(tmp_path)}, working_directory=tmp_path)


@pytest.fixture
def context(settings: Settings) -> Iterator[dg.SensorEvaluationContext]:
    lakehouse = LakehouseResource(tables_uri=settings.tables_uri)
    with dg.instance_for_test() as instance:
        yield dg.build_sensor_context(instance=instance, resources={"lakehouse": lakehouse})


def test_it_is_on_from_the_start_and_starts_no_runs(settings: Settings) -> None:
    sensor = alerts_sensor(settings, {}, products=["fraud_detection"])
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert not sensor.has_jobs


def test_a_tick_says_what_was_done(settings: Settings, context: dg.SensorEvaluationContext) -> None:
    sensor = alerts_sensor(settings, {}, products=["fraud_detection"])
    assert sensor(context) == dg.SkipReason("0 new messages, 0 delivered")


def test_a_tick_with_a_part_that_raised_fails(
    settings: Settings, context: dg.SensorEvaluationContext
) -> None:
    sensor = alerts_sensor(settings, {}, products=["no_such_product"])
    with pytest.raises(AlertError, match="rules of no_such_product"):
        sensor(context)


def test_it_leaves_the_delivery_to_a_process_that_is_at_it(
    settings: Settings, context: dg.SensorEvaluationContext
) -> None:
    with only_one(settings.home / LOCK, what="the delivery of alerts"):
        answer = alerts_sensor(settings, {}, products=[])(context)
    assert isinstance(answer, dg.SkipReason)
    assert "already" in str(answer.skip_message)
