"""Sensors and schedules whose tick raised, by Dagster's own daemon code."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    InProcessCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._utils.error import serializable_error_info_from_exc_info

from mlops_assets.automation.alerts.failed_ticks import NEWS, parse_seen, shown_seen, tick_conditions
from mlops_assets.core.alerts.lifecycle import Key

NAME = "fraud_detection__late_rows"
KEY = Key("fraud_detection", "tick_failure", NAME)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


def origin() -> RemoteInstigatorOrigin:
    location = InProcessCodeLocationOrigin(
        LoadableTargetOrigin(python_file=__file__), location_name="mlops_assets"
    )
    return RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "repository"), NAME)


def sensor(
    instance: dg.DagsterInstance, status: InstigatorStatus = InstigatorStatus.RUNNING
) -> InstigatorState:
    state = InstigatorState(origin(), InstigatorType.SENSOR, status, SensorInstigatorData())
    if instance.all_instigator_state():
        return instance.update_instigator_state(state)
    return instance.add_instigator_state(state)


def tick(instance: dg.DagsterInstance, status: TickStatus, *, at: datetime | None = None) -> None:
    error = None
    if status is TickStatus.FAILURE:
        try:
            raise PermissionError("row 17: card 4111 1111 1111 1111")
        except PermissionError:
            error = serializable_error_info_from_exc_info(sys.exc_info())
    state = origin()
    instance.create_tick(
        TickData(
            instigator_origin_id=state.get_id(),
            instigator_name=NAME,
            instigator_type=InstigatorType.SENSOR,
            status=status,
            timestamp=(at or datetime.now(UTC)).timestamp(),
            selector_id=state.get_selector().get_id(),
            error=error,
            run_ids=[],
        )
    )


def said(instance: dg.DagsterInstance, seen: dict[str, int]) -> tuple[list[str], dict[str, int]]:
    found, read = tick_conditions(instance, seen, now=datetime.now(UTC), ui_url="http://ui")
    assert {one.key for one in found} <= {KEY}
    assert "4111" not in repr(found)
    return [f"{one.state}: {one.reason}" for one in found], parse_seen(shown_seen(read))


RAISED, FINE = "firing: its tick raised PermissionError", "clear: its newest tick did not raise"


def test_every_tick_that_raised_is_told_by_its_error_class_and_a_good_one_ends_it(
    instance: dg.DagsterInstance,
) -> None:
    sensor(instance)
    tick(instance, TickStatus.FAILURE)
    found, seen = said(instance, {})
    assert found == [RAISED]
    assert said(instance, seen) == ([], seen)
    tick(instance, TickStatus.FAILURE)
    tick(instance, TickStatus.SKIPPED)
    tick(instance, TickStatus.STARTED)
    found, seen = said(instance, seen)
    assert found == [RAISED, FINE]
    tick(instance, TickStatus.FAILURE)
    assert said(instance, seen)[0] == [RAISED]


def test_at_first_only_the_newest_tick_counts_and_none_of_long_ago(instance: dg.DagsterInstance) -> None:
    sensor(instance)
    tick(instance, TickStatus.FAILURE, at=datetime.now(UTC) - 2 * NEWS)
    assert said(instance, {})[0] == []
    tick(instance, TickStatus.FAILURE)
    tick(instance, TickStatus.SUCCESS)
    assert said(instance, {})[0] == [FINE]


def test_one_that_is_switched_off_is_clear(instance: dg.DagsterInstance) -> None:
    sensor(instance)
    tick(instance, TickStatus.FAILURE)
    sensor(instance, InstigatorStatus.STOPPED)
    assert said(instance, {})[0] == ["clear: it is switched off"]
