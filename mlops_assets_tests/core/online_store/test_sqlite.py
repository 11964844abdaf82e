"""What SQLite makes possible to go wrong: a full disk, a file that is not ours, moved, deleted, damaged or locked."""

import os
import resource
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw
import pytest

from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.online_store import sqlite as online_store_sqlite
from mlops_assets.core.online_store.embedded import checkpoint
from mlops_assets.core.online_store.embedded.checkpoint import owner_of
from mlops_assets.core.online_store.embedded.files import StoreFiles
from mlops_assets.core.online_store.protocol import ABSENT, StateChange
from mlops_assets.core.online_store.sqlite import SqliteOnlineStore

CONTENT = b"x" * 3000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "online" / "shop.sqlite"


@pytest.fixture
def store(file: Path) -> Iterator[SqliteOnlineStore]:
    store = SqliteOnlineStore(file)
    yield store
    store.close()


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file can grow beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_only_its_owner_can_read_what_is_stored(store: SqliteOnlineStore, file: Path) -> None:
    assert store.commit([], [b"record"])
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}
    assert modes == {"shop.sqlite": 0o600, "shop.sqlite-wal": 0o600, "shop.sqlite-shm": 0o600}


def test_a_full_disk_refuses_commits_keeps_what_was_there_and_goes_on_when_there_is_room(
    store: SqliteOnlineStore,
) -> None:
    stored = 0
    with full_disk(300_000), pytest.raises(OnlineStoreError, match="free space on its disk"):
        while True:
            (before,) = store.read([f"key={stored}"])
            changes = [
                StateChange(f"key={stored}", before.version, CONTENT),
                StateChange("last", ABSENT, CONTENT),
            ]
            assert store.commit(changes[:1], [str(stored).encode()])
            stored += 1
    assert stored > 10
    assert [int(record.content) for record in store.captured()] == list(range(stored))
    assert store.read([f"key={stored}"])[0].version == ABSENT
    assert {state.content for state in store.read([f"key={number}" for number in range(stored)])} == {CONTENT}
    assert store.commit([StateChange(f"key={stored}", ABSENT, CONTENT)], [str(stored).encode()])
    assert store.captured_count() == stored + 1


def test_a_commit_that_fails_in_its_last_step_may_be_done(
    store: SqliteOnlineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(file: Path, *, busy_seconds: float) -> apsw.Connection:
        connection = connect(file, busy_seconds=busy_seconds)
        connection.set_commit_hook(lambda: True)
        return connection

    connect = online_store_sqlite.connect
    assert store.commit([], [b"1"])
    store.close()
    monkeypatch.setattr(online_store_sqlite, "connect", refusing)
    with pytest.raises(OnlineStoreError, match="the change may be done") as refused:
        store.commit([StateChange("a", ABSENT, CONTENT)], [b"2"])
    assert refused.value.may_be_done
    monkeypatch.undo()
    assert store.commit([StateChange("a", ABSENT, CONTENT)], [b"2"])


def test_a_disk_that_was_full_from_the_start_leaves_no_half_store(
    store: SqliteOnlineStore, file: Path
) -> None:
    with full_disk(5_000), pytest.raises(OnlineStoreError, match="nothing was changed"):
        store.captured_count()
    assert list(file.parent.iterdir()) == []
    assert store.captured_count() == 0


@pytest.mark.parametrize("way", ["moved", "deleted", "replaced"])
def test_a_file_that_goes_away_while_it_is_used_is_refused_and_works_when_it_is_back(
    store: SqliteOnlineStore, file: Path, way: str
) -> None:
    assert store.commit([StateChange("a", ABSENT, CONTENT)], [b"1"])
    kept = file.with_name("elsewhere")
    if way == "deleted":
        kept.hardlink_to(file)
        file.unlink()
    else:
        file.rename(kept)
    if way == "replaced":
        file.write_bytes(kept.read_bytes())
    for question in (lambda: store.commit([], [b"2"]), lambda: store.read(["a"])):
        with pytest.raises(OnlineStoreError, match="was moved or deleted while it was in use: put it back"):
            question()
    kept.rename(file)
    assert store.commit([], [b"2"])
    assert [record.content for record in store.captured()] == [b"1", b"2"]


def test_a_new_store_never_takes_up_the_log_of_another_one(store: SqliteOnlineStore, file: Path) -> None:
    assert store.commit([StateChange("a", ABSENT, CONTENT)], [b"1"])
    log = file.with_name("shop.sqlite-wal")
    left = log.read_bytes()
    store.close()
    file.unlink()
    log.write_bytes(left)
    with pytest.raises(OnlineStoreError, match="move the log away too"):
        store.captured_count()
    log.unlink()
    assert store.captured_count() == 0
    assert store.read(["a"])[0].version == ABSENT


def test_a_store_that_another_process_makes_at_the_same_moment_is_taken(
    store: SqliteOnlineStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store.commit([StateChange("a", ABSENT, b"1")], [])
    late, exists = SqliteOnlineStore(file), Path.exists
    seen = iter([False])  # when it looked, the other one had made nothing yet
    monkeypatch.setattr(Path, "exists", lambda path: next(seen, True) if path == file else exists(path))
    assert late.read(["a"]) == store.read(["a"])
    late.close()


def test_a_damaged_file_is_refused_by_everybody_and_says_what_to_do(
    store: SqliteOnlineStore, file: Path
) -> None:
    assert store.commit([StateChange(f"key={number}", ABSENT, CONTENT) for number in range(50)], [b"1"])
    store.close()
    with closing(SqliteOnlineStore(file)) as other:
        assert other.captured_count() == 1
        with file.open("r+b") as written:
            written.seek(4096)
            written.write(b"\xff" * (file.stat().st_size - 4096))
        with pytest.raises(OnlineStoreError, match=r"SQLITE_CORRUPT.*run `mlops store restore shop`"):
            store.read(["key=1"])
        for question in (lambda: other.commit([], [b"2"]), lambda: other.read(["a"]), other.checkpoint):
            with pytest.raises(OnlineStoreError, match=r"is damaged \(.*run `mlops store restore shop`"):
                question()


def test_a_file_that_is_no_database_is_refused_and_says_what_to_do(file: Path) -> None:
    file.parent.mkdir()
    file.write_text("no database " * 1000)
    expected = pytest.raises(OnlineStoreError, match=r"SQLITE_NOTADB.*run `mlops store restore shop`")
    with closing(SqliteOnlineStore(file)) as store, expected:
        store.read(["key=1"])


def test_a_commit_that_began_before_damage_was_found_is_not_acknowledged(
    store: SqliteOnlineStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store.commit([], [b"1"])
    store.close()
    opened = store._opened

    def found_meanwhile() -> apsw.Connection:
        connection = opened()
        StoreFiles(file).mark_damaged("a page")
        return connection

    monkeypatch.setattr(store, "_opened", found_meanwhile)
    with pytest.raises(OnlineStoreError, match="is damaged"):
        store.commit([], [b"2"])
    StoreFiles(file).damaged.unlink()
    monkeypatch.undo()
    assert [record.content for record in store.captured()] == [b"1"]


def test_one_object_writes_checkpoints_until_it_is_closed(store: SqliteOnlineStore, file: Path) -> None:
    assert store.commit([], [b"1"])
    with closing(SqliteOnlineStore(file)) as other:
        assert (store.checkpoint(), other.checkpoint(), store.checkpoint()) == (True, False, True)
        assert owner_of(StoreFiles(file).owner) == os.getpid()
        store.close()
        assert other.checkpoint()
    assert owner_of(StoreFiles(file).owner) is None


def test_a_commit_brings_a_long_log_in_where_nobody_owns_the_checkpoints(
    store: SqliteOnlineStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(online_store_sqlite, "SHORT_LOG_PAGES", 20)

    def size_after_commits() -> int:
        for _ in range(40):
            assert store.commit([], [CONTENT])
        return file.stat().st_size

    with closing(SqliteOnlineStore(file)) as owner:
        assert owner.checkpoint()
        before = file.stat().st_size
        assert size_after_commits() == before
    assert size_after_commits() > before


def test_a_store_that_was_closed_by_all_is_whole_without_its_log(
    store: SqliteOnlineStore, file: Path
) -> None:
    assert store.commit([StateChange("a", ABSENT, CONTENT)], [b"1"])
    store.close()
    assert file.with_name("shop.sqlite-wal").stat().st_size == 0
    copy = file.rename(file.with_name("copy.sqlite"))
    with closing(SqliteOnlineStore(copy)) as copied:
        assert [record.content for record in copied.captured()] == [b"1"]


def test_a_store_of_another_format_is_refused(store: SqliteOnlineStore, file: Path) -> None:
    assert store.captured_count() == 0
    with closing(apsw.Connection(str(file))) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(OnlineStoreError, match="format 99, and this version reads format 1"):
        SqliteOnlineStore(file).read(["a"])


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OnlineStoreError, match=r"file/shop\.sqlite.*let this user write"):
        SqliteOnlineStore(tmp_path / "file" / "shop.sqlite").captured_count()


def test_a_commit_that_waits_too_long_for_another_one_says_so_and_succeeds_later(
    store: SqliteOnlineStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(online_store_sqlite, "BUSY_SECONDS", 0.05)
    assert store.captured_count() == 0
    holder = apsw.Connection(str(file))
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(OnlineStoreError, match="another process held it"):
        store.commit([], [b"1"])
    assert store.captured() == []
    holder.execute("ROLLBACK")
    holder.close()
    assert store.commit([], [b"1"])


@contextmanager
def checkpoints(file: Path) -> Iterator[None]:
    """Checkpoints in a thread, one after the other, as long as it lasts."""
    ended = threading.Event()
    store = SqliteOnlineStore(file)

    def run() -> None:
        while not ended.wait(0.05):
            store.checkpoint()
        store.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize(("long_log", "begins_anew"), [(10, True), (10_000, False)])
def test_only_a_long_log_is_made_to_begin_anew(
    store: SqliteOnlineStore, file: Path, monkeypatch: pytest.MonkeyPatch, long_log: int, *, begins_anew: bool
) -> None:
    """That commits then wait less than a few milliseconds shows only under load: benchmarks/serving."""
    monkeypatch.setattr(checkpoint, "LONG_LOG_PAGES", long_log)
    statements: list[str] = []
    connect = online_store_sqlite.connect

    def traced(path: Path, *, busy_seconds: float) -> apsw.Connection:
        connection = connect(path, busy_seconds=busy_seconds)
        connection.exec_trace = lambda _, sql, __: statements.append(sql) or True
        return connection

    assert store.commit([StateChange(f"key={number}", ABSENT, CONTENT) for number in range(50)], [])
    monkeypatch.setattr(online_store_sqlite, "connect", traced)
    with closing(SqliteOnlineStore(file)) as other:
        other.checkpoint()
    asked = [statement for statement in statements if "wal_checkpoint" in statement]
    assert asked[0] == "PRAGMA wal_checkpoint(PASSIVE)"
    assert ("PRAGMA wal_checkpoint(RESTART)" in asked) is begins_anew


def test_a_long_read_does_not_hold_up_commits_by_way_of_a_checkpoint(
    store: SqliteOnlineStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "LONG_LOG_PAGES", 5)
    # A checkpoint that waited for the reader as long as a commit may wait would hold up commits for so long.
    monkeypatch.setattr(online_store_sqlite, "BUSY_SECONDS", 60.0)
    store.has_checkpointer = True
    assert store.commit([StateChange("a", ABSENT, CONTENT)], [])
    with closing(apsw.Connection(str(file))) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM state").fetchone()
        longest = 0.0
        with checkpoints(file):
            for number in range(200):
                time.sleep(0.005)  # so that many checkpoints come in between
                started = time.perf_counter()
                assert store.commit([StateChange(f"key={number}", ABSENT, CONTENT)], [])
                longest = max(longest, time.perf_counter() - started)
        reader.execute("COMMIT")
    assert longest < online_store_sqlite.BUSY_SECONDS / 2


DIES_BEFORE_THE_LINK = """
import os, sys
from pathlib import Path
from mlops_assets.core.online_store.sqlite import SqliteOnlineStore

os.getpid = lambda: 7
os.link = lambda *_: os._exit(9)
SqliteOnlineStore(Path(sys.argv[1])).read([])
"""


def test_a_store_is_made_after_a_process_of_the_same_number_died_while_it_made_it(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Process numbers repeat in containers."""
    died = subprocess.run([sys.executable, "-c", DIES_BEFORE_THE_LINK, str(file)], check=False)
    assert died.returncode == 9
    assert not file.exists()
    assert [left for left in file.parent.iterdir() if left.name.endswith(".new")]
    monkeypatch.setattr("os.getpid", lambda: 7)
    with closing(SqliteOnlineStore(file)) as store:
        assert store.commit([StateChange("one", ABSENT, CONTENT)], [])
