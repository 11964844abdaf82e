"""A store's log is brought into its file beside the requests."""

import time
from contextlib import closing
from pathlib import Path

import apsw

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


def test_closing_ends_the_thread(tmp_path: Path) -> None:
    file = tmp_path / "fraud_detection.sqlite"
    checkpoints = Checkpoints(SqliteOnlineStore(file), lambda: SqliteOnlineStore(file))
    checkpoints.close()
    assert not checkpoints._thread.is_alive()
