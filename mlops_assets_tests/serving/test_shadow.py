"""The shadow's lane: it scores what others answered, in time or not at all, and never disturbs."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.online_store.protocol import OnlineStore
from mlops_assets.core.serving.arms import LoadedVersion, ScoringArm
from mlops_assets.core.serving.outcome import ScoredEvent
from mlops_assets.core.serving.prediction_record import decode_record
from mlops_assets_tests.support.captured import FIRST, captured_record
from mlops_assets_tests.support.small_model import FEATURES, small_model
from serving import shadow as module
from serving.shadow import ShadowLane

VECTOR = (40.0, 1.0, 0.5)


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.0)


@pytest.fixture
def arm() -> ScoringArm:
    loaded = LoadedVersion(2, small_model(seed=1), 0.5)
    return ScoringArm(loaded, role="shadow", names=FEATURES, view_digest="ab" * 32)


@pytest.fixture
def metrics() -> SimpleNamespace:
    dropped: list[int] = []
    records: list = []
    return SimpleNamespace(
        shadow_dropped=SimpleNamespace(inc=dropped.append),
        dropped=dropped,
        predicted=records.extend,
        records=records,
    )


@pytest.fixture
def open_store(tmp_path: Path) -> Callable[[], OnlineStore]:
    return lambda: open_online_store(str(tmp_path), "shop")


@pytest.fixture
def lane(open_store: Callable[[], OnlineStore], metrics: Any) -> Iterator[ShadowLane]:
    opened = ShadowLane(open_store, metrics)
    yield opened
    opened.close()


def scored(number: int) -> ScoredEvent:
    return ScoredEvent(captured_record(number, at=FIRST + timedelta(seconds=number)), VECTOR)


def test_every_event_that_was_handed_over_is_scored_by_the_shadow_and_captured(
    lane: ShadowLane, arm: ScoringArm, metrics: Any, open_store: Callable[[], OnlineStore]
) -> None:
    for number in range(0, 6, 2):
        lane.add(arm, [scored(number), scored(number + 1)])
    lane.close()
    with closing(open_store()) as store:
        records = [decode_record(one.content) for one in store.captured()]
    assert [record.event_id for record in records] == list(range(6))
    assert {(record.version, record.role) for record in records} == {(2, "shadow")}
    assert {record.score for record in records} == {arm.score(VECTOR)}
    assert (len(metrics.records), metrics.dropped) == (6, [])


def test_when_too_many_wait_the_newest_are_dropped_and_counted(
    arm: ScoringArm, metrics: Any, open_store: Callable[[], OnlineStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "QUEUE_LENGTH", 2)
    may_open = threading.Event()

    def slowly() -> OnlineStore:
        may_open.wait(120)
        return open_store()

    lane = ShadowLane(slowly, metrics)
    for number in range(10):
        lane.add(arm, [scored(number)])
    assert 7 <= sum(metrics.dropped) <= 8  # one may have left the queue for the thread
    may_open.set()
    lane.close()
    assert sum(metrics.dropped) + len(metrics.records) == 10


def test_a_store_that_cannot_be_opened_loses_the_shadows_work_and_nothing_else(
    arm: ScoringArm, metrics: Any
) -> None:
    def away() -> OnlineStore:
        raise OnlineStoreError("away")

    lane = ShadowLane(away, metrics)
    lane.add(arm, [scored(1), scored(2)])
    lane.close()
    assert (sum(metrics.dropped), metrics.records) == (2, [])
