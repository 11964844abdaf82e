"""Captured predictions reach their table exactly once: killed at any step, by several at once, from several stores."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import msgspec
import polars as pl
import pytest
import redis

from mlops_assets.commands.drill.damaged_store import copy_store
from mlops_assets.commands.drill.redis_server import RedisServer
from mlops_assets.core.errors import TableError
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.online_store.protocol import CapturedRecord, OnlineStore
from mlops_assets.core.predictions.captured import SET_ASIDE, TABLE, LandingTable, collect_captured
from mlops_assets.core.serving.prediction_record import PredictionRecord, encode_record
from mlops_assets_tests.support.captured import FIRST, captured_record
from mlops_assets_tests.support.processes.captured_collector import COMMIT, LANDING, PRODUCT

COHORT = LandingTable(PRODUCT, id_column="patient_id", id_type=pl.String(), has_time=False)


@pytest.fixture
def location(tmp_path: Path) -> str:
    return str(tmp_path / "online")


@pytest.fixture
def store(location: str) -> Iterator[OnlineStore]:
    store = open_online_store(location, PRODUCT)
    yield store
    store.close()


@pytest.fixture
def tables(tmp_path: Path) -> DeltaTables:
    return DeltaTables(str(tmp_path / "tables"))


def capture(store: OnlineStore, *records: PredictionRecord) -> None:
    assert store.commit([], [encode_record(record) for record in records])


def collect(
    store: OnlineStore, tables: DeltaTables, landing: LandingTable = LANDING, block: int = 1000
) -> tuple[int, int]:
    """Rows that were added, and records that were there already."""
    blocks = list(collect_captured(store, tables, landing, commit=COMMIT, block_records=block))
    return sum(one.rows.height for one in blocks), sum(one.repeated for one in blocks)


def stored(tables: DeltaTables) -> pl.DataFrame:
    return tables.read(PRODUCT, TABLE)


def start(location: str, tables: DeltaTables, block: int, *instant: str) -> subprocess.Popen[bytes]:
    module = "mlops_assets_tests.support.processes.captured_collector"
    return subprocess.Popen([sys.executable, "-m", module, location, tables.root, str(block), *instant])


def test_every_field_of_a_record_is_a_column_and_every_float_keeps_its_bits(
    store: OnlineStore, tables: DeltaTables
) -> None:
    scored = captured_record(7, score=0.1 + 0.2, role="challenger", version=3)
    failed = captured_record(8, at=FIRST + timedelta(days=2), error="ModelError: broken")
    capture(store, scored, failed)
    assert collect(store, tables) == (2, 0)
    assert store.captured_count() == 0
    first, second = stored(tables).sort("order_id").iter_rows(named=True)
    assert first["features"] == [0.1 + 0.2, None]
    assert first["score"] == 0.1 + 0.2
    assert msgspec.json.decode(first["request"]) == scored.request
    assert (first["event_date"], second["event_date"]) == (date(2018, 5, 20), date(2018, 5, 22))
    assert (first["event_timestamp"], first["known_at"], first["received_at"]) == (FIRST, FIRST, FIRST)
    assert (first["role"], first["model_version"], first["decision"]) == ("challenger", 3, 0)
    assert (second["error"], second["score"], second["features"]) == ("ModelError: broken", None, [])
    fields = {
        "prediction_id",
        "request",
        "event_timestamp",
        "known_at",
        "received_at",
        "role",
        "plan_sequence",
        "feature_view",
    }
    fields |= {"features", "score", "threshold", "decision", "latency_seconds", "error", "model_version"}
    assert set(first) == fields | {"order_id", "event_date"}


def test_an_empty_store_makes_an_empty_table_and_collecting_again_commits_nothing(
    store: OnlineStore, tables: DeltaTables
) -> None:
    assert collect(store, tables) == (0, 0)
    assert stored(tables).is_empty()
    capture(store, captured_record(1))
    assert collect(store, tables) == (1, 0)
    version = tables.version(PRODUCT, TABLE)
    assert collect(store, tables) == (0, 0)
    assert tables.version(PRODUCT, TABLE) == version


def test_blocks_are_committed_in_order_and_nothing_is_left(store: OnlineStore, tables: DeltaTables) -> None:
    capture(store, *(captured_record(number) for number in range(25)))
    blocks = list(collect_captured(store, tables, LANDING, commit=COMMIT, block_records=10))
    assert [block.rows["order_id"].to_list() for block in blocks] == [
        list(range(10)), list(range(10, 20)), list(range(20, 25)), [],
    ]  # fmt: skip
    assert stored(tables).height == 25


def test_a_prediction_that_is_sent_again_counts_once_in_and_across_blocks(
    store: OnlineStore, tables: DeltaTables
) -> None:
    capture(store, captured_record(1), captured_record(2), captured_record(1))
    assert collect(store, tables) == (2, 1)
    capture(store, captured_record(2), captured_record(1, version=2), captured_record(3))
    assert collect(store, tables) == (2, 1)
    assert sorted(stored(tables)["prediction_id"].str.head(4)) == ["v1-1", "v1-2", "v1-3", "v2-1"]


@pytest.mark.parametrize("is_collected_between", [True, False])
def test_a_request_that_was_answered_before_ids_had_128_bits_counts_once_when_it_is_sent_again(
    store: OnlineStore, tables: DeltaTables, is_collected_between: bool
) -> None:
    earlier = captured_record(7)
    again = msgspec.structs.replace(earlier, prediction_id=earlier.prediction_id + "4e5f" * 6)
    other_request = {**earlier.request, "amount_usd": 9.5}
    other = msgspec.structs.replace(
        again, prediction_id=earlier.prediction_id + "0000" * 6, request=other_request
    )
    capture(store, earlier)
    if is_collected_between:
        assert collect(store, tables) == (1, 0)
    capture(store, again, other)
    assert collect(store, tables) == ((1, 1) if is_collected_between else (2, 1))
    ids = {earlier.prediction_id, other.prediction_id}
    assert set(stored(tables)["prediction_id"]) == ids


def test_a_score_after_an_error_of_the_same_prediction_is_kept(
    store: OnlineStore, tables: DeltaTables
) -> None:
    capture(store, captured_record(1, error="timeout"))
    collect(store, tables)
    capture(store, captured_record(1), captured_record(1, error="timeout"))
    assert collect(store, tables) == (1, 1)
    assert stored(tables)["error"].to_list().count(None) == 1


def test_a_cohort_lands_by_the_day_of_the_request_and_counts_once_over_all_days(
    store: OnlineStore, tables: DeltaTables
) -> None:
    days = [FIRST, FIRST + timedelta(days=1)]
    capture(store, *(captured_record("p1", at=None, received_at=at) for at in days))
    assert collect(store, tables, COHORT) == (1, 1)
    capture(store, captured_record("p1", at=None, received_at=days[1]))
    assert collect(store, tables, COHORT) == (0, 1)
    assert stored(tables)["received_date"].to_list() == [FIRST.date()]


@pytest.mark.parametrize("instant", ["read", "committed"])
def test_killed_at_any_step_a_collector_neither_loses_nor_doubles(
    location: str, store: OnlineStore, tables: DeltaTables, instant: str
) -> None:
    capture(store, *(captured_record(number) for number in range(25)))
    assert start(location, tables, 10, instant).wait(timeout=300) == -signal.SIGKILL
    left, landed = store.captured_count(), stored(tables).height
    assert (left, landed) == {"read": (15, 10), "committed": (15, 20)}[instant]
    added, repeated = collect(store, tables)
    assert (added, repeated) == (25 - landed, landed + left - 25)
    assert sorted(stored(tables)["order_id"]) == list(range(25))
    assert store.captured_count() == 0


def test_several_collectors_at_once_add_every_prediction_once(
    location: str, store: OnlineStore, tables: DeltaTables
) -> None:
    capture(store, *(captured_record(number) for number in range(120)))
    collectors = [start(location, tables, 20) for _ in range(3)]
    assert [one.wait(timeout=300) for one in collectors] == [0, 0, 0]
    assert sorted(stored(tables)["order_id"]) == list(range(120))
    assert store.captured_count() == 0


def test_another_store_starts_from_its_own_beginning(tmp_path: Path, tables: DeltaTables) -> None:
    """Positions of one store say nothing about another: a new Redis, or a file that was moved away and back."""
    stores = [open_online_store(str(tmp_path / name), PRODUCT) for name in ("old", "new")]
    capture(stores[0], *(captured_record(number) for number in range(5)))
    assert collect(stores[0], tables) == (5, 0)
    capture(stores[1], captured_record(5))
    assert collect(stores[1], tables) == (1, 0)
    capture(stores[0], captured_record(6))
    assert collect(stores[0], tables) == (1, 0)
    for store in stores:
        store.close()


def test_a_store_restored_from_a_backup_loses_nothing_that_it_acknowledged(
    location: str, tables: DeltaTables, tmp_path: Path
) -> None:
    """Its positions are given again, to other records, under the same identity."""
    file = Path(location) / f"{PRODUCT}.sqlite"
    store = open_online_store(location, PRODUCT)
    capture(store, *(captured_record(number) for number in range(10)))
    identity = store.identity()
    backup = copy_store(file, tmp_path / "backup.sqlite")
    capture(store, *(captured_record(number) for number in range(10, 40)))
    assert collect(store, tables) == (40, 0)
    store.close()
    for left in file.parent.glob(f"{file.name}*"):
        left.unlink()
    backup.rename(file)
    restored = open_online_store(location, PRODUCT)
    assert restored.identity() == identity
    capture(restored, *(captured_record(number) for number in range(100, 130)))
    assert collect(restored, tables) == (30, 10)
    assert sorted(stored(tables)["order_id"]) == [*range(40), *range(100, 130)]
    assert restored.captured_count() == 0
    restored.close()


def test_what_a_restoration_puts_in_place_of_what_was_read_is_not_forgotten(
    location: str, tables: DeltaTables, tmp_path: Path
) -> None:
    """A backup that is brought back into the open file, between the collector's commit and its forgetting."""
    file = Path(location) / f"{PRODUCT}.sqlite"
    store = open_online_store(location, PRODUCT)
    assert store.captured_count() == 0
    backup = copy_store(file, tmp_path / "backup.sqlite")

    class Restored:
        """The store, which another process brings back to its beginning before anything is forgotten."""

        def __getattr__(self, name: str) -> object:
            return getattr(store, name)

        def forget_captured(self, records: Sequence[CapturedRecord]) -> None:
            if backup.exists():
                copy_store(backup, file)
                backup.unlink()
                capture(store, *(captured_record(number) for number in range(100, 105)))
            store.forget_captured(records)

    capture(store, *(captured_record(number) for number in range(5)))
    assert collect(Restored(), tables) == (10, 0)  # pyright: ignore[reportArgumentType]
    assert sorted(stored(tables)["order_id"]) == [*range(5), *range(100, 105)]
    store.close()


def test_a_redis_restored_from_an_older_state_loses_nothing_that_it_acknowledged(
    tables: DeltaTables, tmp_path: Path
) -> None:
    server = RedisServer(tmp_path, ("--save", "")).start()
    try:
        store = open_online_store(f"{server.url}?socket_timeout=60&socket_connect_timeout=60", PRODUCT)
        capture(store, *(captured_record(number) for number in range(10)))
        identity = store.identity()
        with redis.Redis.from_url(server.url) as client:
            keys = [(key, client.dump(key)) for key in client.keys("*")]
            capture(store, *(captured_record(number) for number in range(10, 40)))
            newest = store.captured()[-1]
            assert collect(store, tables) == (40, 0)
            for key, content in keys:
                client.restore(key, 0, content, replace=True)
            # A machine whose clock is behind: the new record has the id of one that was collected.
            stream = "{mlops:" + PRODUCT + "}:captured"
            at = "-".join(str(int(half)) for half in newest.position.split("-"))
            client.xadd(stream, {"r": encode_record(captured_record(100))}, id=at)
        assert store.identity() == identity
        capture(store, captured_record(101))
        store.forget_captured([newest])
        assert collect(store, tables) == (2, 10)
        assert sorted(stored(tables)["order_id"]) == [*range(40), 100, 101]
        store.close()
    finally:
        server.stop()


def test_a_bad_record_at_the_position_of_another_one_is_set_aside_too(
    location: str, tables: DeltaTables, tmp_path: Path
) -> None:
    file = Path(location) / f"{PRODUCT}.sqlite"
    store = open_online_store(location, PRODUCT)
    assert store.captured_count() == 0
    backup = copy_store(file, tmp_path / "backup.sqlite")
    for content in (b"no record", b"another one"):
        assert store.commit([], [content])
        assert collect(store, tables) == (0, 0)
        copy_store(backup, file)
    aside = tables.read(PRODUCT, SET_ASIDE)
    assert sorted(aside["content"]) == ["another one", "no record"]
    assert aside["position"].n_unique() == 1
    store.close()


def test_a_record_that_cannot_be_stored_is_set_aside_and_its_neighbours_go_their_way(
    store: OnlineStore, tables: DeltaTables
) -> None:
    narrow = replace(LANDING, id_type=pl.Int16())
    good, other = captured_record(1), captured_record(2)
    too_large, wrong = captured_record(2**20), captured_record("text")
    assert store.commit([], [encode_record(good), b"no record \xff", encode_record(too_large)])
    capture(store, wrong, other)
    assert collect(store, tables, landing=narrow, block=2) == (2, 0)
    assert store.captured_count() == 0
    assert stored(tables)["order_id"].sort().to_list() == [1, 2]
    aside = tables.read(PRODUCT, SET_ASIDE).sort("position")
    assert aside["store"].unique().to_list() == [store.identity()]
    assert aside["content"].to_list() == [
        "no record \\xff", encode_record(too_large).decode(), encode_record(wrong).decode()
    ]  # fmt: skip
    assert "cannot be read" in aside["reason"][0]
    assert all(aside["reason"].str.len_chars() > 10)


def test_a_record_is_set_aside_once_however_often_its_collection_is_cut_short(
    store: OnlineStore, tables: DeltaTables
) -> None:
    class Forgetful:
        """A store of which the process is killed before it forgets."""

        def __getattr__(self, name: str) -> object:
            return getattr(store, name)

        def forget_captured(self, records: Sequence[CapturedRecord]) -> None:
            raise KeyboardInterrupt

    assert store.commit([], [b"no record"])
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            collect(Forgetful(), tables)  # pyright: ignore[reportArgumentType]
    assert collect(store, tables) == (0, 0)
    assert tables.read(PRODUCT, SET_ASIDE).height == 1


def test_a_contract_that_gets_another_type_of_id_does_not_stop_the_collector(
    store: OnlineStore, tables: DeltaTables
) -> None:
    capture(store, captured_record(1))
    collect(store, tables)
    capture(store, captured_record(2), captured_record("three"))
    assert collect(store, tables, landing=replace(LANDING, id_type=pl.String())) == (1, 0)
    assert tables.read(PRODUCT, SET_ASIDE).height == 1


def test_rows_that_do_not_fit_the_table_stop_the_collector(store: OnlineStore, tables: DeltaTables) -> None:
    capture(store, captured_record(1))
    collect(store, tables)
    capture(store, captured_record(2))
    with pytest.raises(TableError, match="number"):
        collect(store, tables, replace(LANDING, id_column="number"))
    assert store.captured_count() == 1
