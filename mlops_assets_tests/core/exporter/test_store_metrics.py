"""What waits in an online store, and whether it is sound."""

from contextlib import closing
from pathlib import Path

import pytest

from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.exporter.store_metrics import METRICS, store_samples
from mlops_assets.core.online_store.embedded.files import StoreFiles
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.online_store.protocol import ABSENT, StateChange
from mlops_assets.core.serving.prediction_record import encode_record
from mlops_assets_tests.support.captured import FIRST, captured_record
from mlops_assets_tests.support.exporter import numbers

PRODUCT = "shop"


@pytest.fixture
def location(tmp_path: Path) -> str:
    """A store with two states and two records."""
    changes = [StateChange(f"card={n}@view", ABSENT, b"state") for n in range(2)]
    with closing(open_online_store(str(tmp_path), PRODUCT)) as store:
        assert store.commit(changes, [encode_record(captured_record(n)) for n in range(2)])
    return str(tmp_path)


def test_records_and_states_are_counted(location: str) -> None:
    found = numbers(store_samples(PRODUCT, location))
    assert found == {
        ("mlops_captured_predictions_waiting", PRODUCT): 2,
        ("mlops_captured_prediction_oldest_timestamp_seconds", PRODUCT): FIRST.timestamp(),
        ("mlops_online_states", PRODUCT): 2,
        ("mlops_store_damaged", PRODUCT): 0,
        ("mlops_store_full", PRODUCT): 0,
    }
    assert {name for name, _ in found} == {metric.name for metric in METRICS}


def test_without_a_record_none_is_the_oldest(location: str) -> None:
    with closing(open_online_store(location, PRODUCT)) as store:
        store.forget_captured(store.captured())
    found = numbers(store_samples(PRODUCT, location))
    assert found["mlops_captured_predictions_waiting", PRODUCT] == 0
    assert ("mlops_captured_prediction_oldest_timestamp_seconds", PRODUCT) not in found


def test_a_record_that_cannot_be_read_hides_nothing_else(tmp_path: Path) -> None:
    with closing(open_online_store(str(tmp_path), PRODUCT)) as store:
        assert store.commit([], [b"this is no record"])
    found = numbers(store_samples(PRODUCT, str(tmp_path)))
    assert found["mlops_captured_predictions_waiting", PRODUCT] == 1
    assert found["mlops_online_states", PRODUCT] == 0


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    assert list(store_samples(PRODUCT, str(tmp_path / "online"))) == []
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_store_is_said_and_not_asked(location: str) -> None:
    StoreFiles(Path(location) / f"{PRODUCT}.sqlite").mark_damaged("page 7 is wrong")
    found = numbers(store_samples(PRODUCT, location))
    assert found == {("mlops_store_damaged", PRODUCT): 1, ("mlops_store_full", PRODUCT): 0}


def test_a_store_on_a_full_disk_is_said(location: str) -> None:
    StoreFiles(Path(location) / f"{PRODUCT}.sqlite").spent.touch()
    assert numbers(store_samples(PRODUCT, location))["mlops_store_full", PRODUCT] == 1


def test_a_server_that_does_not_answer_is_an_error() -> None:
    with pytest.raises(OnlineStoreError):
        list(store_samples(PRODUCT, "redis://127.0.0.1:1/0"))
