"""The log of a store does not grow without limit when the owner of its checkpoints hangs."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.online_store import sqlite
from mlops_assets.core.online_store.embedded.files import StoreFiles
from mlops_assets.core.online_store.embedded.log_length import is_stopped, who_owns
from mlops_assets.core.online_store.protocol import StateChange
from mlops_assets.core.online_store.sqlite import SqliteOnlineStore

LONG_PAGES = 60
REFUSED_PAGES = 200
OWNER = """
import sys, time
from pathlib import Path
from mlops_assets.core.online_store.sqlite import SqliteOnlineStore

store = SqliteOnlineStore(Path(sys.argv[1]))
print(store.checkpoint(), flush=True)
time.sleep(600)
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sqlite, "LARGEST_LOG_PAGES", LONG_PAGES)
    monkeypatch.setattr(sqlite, "REFUSED_LOG_PAGES", REFUSED_PAGES)
    return tmp_path / "shop.sqlite"


@pytest.fixture
def stopped_owner(file: Path) -> Iterator[int]:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(file)], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "True\n"
        owner.send_signal(signal.SIGSTOP)
        yield owner.pid
        owner.kill()


def commit(store: SqliteOnlineStore, number: int) -> bool:
    return store.commit([StateChange(f"key={number}@view", 0, bytes(9000))], [b"record %d" % number])


@pytest.mark.parametrize("asks", [False, True])
def test_others_bring_in_the_log_of_a_stopped_owner(file: Path, stopped_owner: int, asks: bool) -> None:
    with closing(SqliteOnlineStore(file)) as store:
        store.has_checkpointer = True
        longest = 0
        for number in range(300):
            assert commit(store, number)
            if asks:
                assert not store.checkpoint()
            longest = max(longest, store.log_length().pages)
        assert longest < 2 * LONG_PAGES
        assert store.captured_count() == 300
        assert who_owns(StoreFiles(file)) == f"process {stopped_owner} owns its checkpoints and is stopped"


def test_a_log_that_nobody_can_bring_in_is_refused_at_its_limit_and_nothing_is_lost(file: Path) -> None:
    store = SqliteOnlineStore(file)
    store.has_checkpointer = True
    assert commit(store, 0)
    done = 1
    with closing(apsw.Connection(str(file))) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM state").fetchall()  # nothing after this may leave the log
        with pytest.raises(OnlineStoreError, match=r"cannot be brought in: .*end the process that hangs"):
            while done < 1000 and commit(store, done):
                done += 1
        assert REFUSED_PAGES <= store.log_length().pages < 2 * REFUSED_PAGES
        assert store.captured_count() == done
        reader.execute("COMMIT")
    assert commit(store, done)
    assert store.captured_count() == done + 1
    store.close()


def test_a_process_that_runs_is_not_stopped(tmp_path: Path) -> None:
    assert not is_stopped(os.getpid())
    assert not is_stopped(2**30)
    assert who_owns(StoreFiles(tmp_path / "shop.sqlite")) == "no process owns its checkpoints"
