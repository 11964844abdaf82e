"""The requests that were served: those in the store and those that were collected, each once, without failures."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from mlops_assets.assets.support.served_requests import served_requests
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.online_store.protocol import OnlineStore
from mlops_assets.core.predictions.captured import collect_captured
from mlops_assets.core.serving.prediction_record import encode_record
from mlops_assets_tests.support.captured import FIRST, captured_record
from mlops_assets_tests.support.processes.captured_collector import COMMIT, LANDING, PRODUCT


@pytest.fixture
def tables(tmp_path: Path) -> DeltaTables:
    return DeltaTables(str(tmp_path / "tables"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OnlineStore]:
    opened = open_online_store(str(tmp_path / "online"), PRODUCT)
    yield opened
    opened.close()


def capture(store: OnlineStore, *contents: bytes) -> None:
    assert store.commit([], contents)


def test_collected_and_waiting_requests_come_together_and_failed_or_damaged_ones_do_not(
    store: OnlineStore, tables: DeltaTables
) -> None:
    later = FIRST + timedelta(days=1)
    old = captured_record(1, at=FIRST - timedelta(days=9), received_at=FIRST)
    collected = [encode_record(captured_record(n, at=later, received_at=later)) for n in (2, 3)]
    capture(store, encode_record(old), *collected)
    list(collect_captured(store, tables, LANDING, commit=COMMIT))
    capture(
        store, *collected[:1], encode_record(captured_record(4, at=later, received_at=FIRST)), b"none of ours"
    )
    capture(store, encode_record(captured_record(5, at=later, error="ModelError: broken")))
    found = served_requests(store, tables, LANDING, since=FIRST.date())
    assert sorted(found["received_at"].to_list()) == [FIRST, later]
    assert store.captured_count() == 4, "nothing was taken out"


def test_before_anything_was_served_there_is_nothing(store: OnlineStore, tables: DeltaTables) -> None:
    assert served_requests(store, tables, LANDING, since=FIRST.date()).is_empty()
