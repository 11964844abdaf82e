"""A store's log is brought into its file beside the requests."""

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.online_store.embedded.files import StoreFiles
from mlops_assets.core.online_store.protocol import StateChange
from mlops_assets.core.online_store.sqlite import SqliteOnlineStore
from serving.checkpoints import Checkpoints

CONTENT = b"x" * 9000


def in_file(file: Path, copy: Path) -> int:
    """States that the file holds without its log."""
    copy.write_bytes(file.read_bytes())
    with closing(apsw.Connection(str(copy))) as connection:
        return connection.execute("SELECT count(*) FROM state").fetchall()[0][0]


def test_commits_reach_the_file_without_a_commit_that_writes_them(tmp_path: Path) -> None:
    file = tmp_path / "fraud_detection.sqlite"
    store = SqliteOnlineStore(file)
    checkpoints = Checkpoints(store, lambda: SqliteOnlineStore(file))
    try:
        assert store.commit([StateChange("customer_id=1", 0, CONTENT)], [b"record"])
        deadline = time.monotonic() + 120
        while in_file(file, tmp_path / "copy") == 0:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert [state.content for state in store.read(["customer_id=1"])] == [CONTENT]
    finally:
        checkpoints.close()
        store.close()


def test_closing_ends_the_threads(tmp_path: Path) -> None:
    file = tmp_path / "fraud_detection.sqlite"
    checkpoints = Checkpoints(SqliteOnlineStore(file), lambda: SqliteOnlineStore(file))
    assert len(checkpoints._threads) == 2
    checkpoints.close()
    assert not any(thread.is_alive() for thread in checkpoints._threads)


def test_of_two_workers_one_writes_checkpoints_and_the_other_goes_on_when_it_ends(tmp_path: Path) -> None:
    file = tmp_path / "fraud_detection.sqlite"
    workers = [Checkpoints(SqliteOnlineStore(file), lambda: SqliteOnlineStore(file)) for _ in range(2)]
    assert wait_until(lambda: any(worker._owns.is_set() for worker in workers))
    first = next(worker for worker in workers if worker._owns.is_set())
    (second,) = [worker for worker in workers if worker is not first]
    assert not second._owns.is_set()
    first.close()
    assert wait_until(second._owns.is_set)
    second.close()


def test_damage_is_found_without_a_request_that_meets_it(tmp_path: Path) -> None:
    file = tmp_path / "fraud_detection.sqlite"
    with closing(SqliteOnlineStore(file)) as made:
        assert made.commit([StateChange(f"key={n}", 0, CONTENT) for n in range(50)], [b"record"])
    with file.open("r+b") as written:
        written.seek(file.stat().st_size // 2 // 4096 * 4096)
        written.write(b"\xff" * 4096)
    store = SqliteOnlineStore(file)
    checkpoints = Checkpoints(store, lambda: SqliteOnlineStore(file))
    assert wait_until(lambda: StoreFiles(file).damage() is not None)
    with pytest.raises(OnlineStoreError, match="run `mlops store restore fraud_detection`"):
        store.read([])
    checkpoints.close()
    store.close()


def wait_until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 120
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()
