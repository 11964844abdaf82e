"""A store under torture loses nothing, and a store that does is found out."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from multiprocessing import RawArray
from pathlib import Path

import apsw
import pytest

from benchmarks.store_torture.__main__ import main
from benchmarks.store_torture.clients import LIMIT, SHARED_KEYS, Place, collect
from benchmarks.store_torture.ledger import balance
from benchmarks.store_torture.other_library import Sqlite3Connection
from mlops_assets.core.online_store import sqlite as store_module
from mlops_assets.core.online_store.protocol import ABSENT, StateChange
from mlops_assets.core.online_store.sqlite import SqliteOnlineStore

COMMITS = 3000
ROOT = Path(__file__).parents[2]


@pytest.mark.rehearsal
def test_nothing_is_lost_doubled_or_damaged_by_kills_and_a_full_disk() -> None:
    command = [sys.executable, "-m", "benchmarks.store_torture", f"--commits={COMMITS}", "--episodes=1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout.splitlines()[-1])
    wrong = ("lost", "doubled", "half_done", "damaged")
    assert {name: found[name] for name in wrong} == dict.fromkeys(wrong, 0), done.stdout
    assert found["acknowledged"] >= COMMITS
    assert found["disk_full_episodes"] == 1
    assert found["kills"] > 0


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "logs").mkdir()
    file = tmp_path / "shop.sqlite"
    return Place(
        file, tmp_path / "logs", "apsw", is_owned=True, pause_seconds=0.1, counts=RawArray("Q", LIMIT + 1)
    )


@pytest.fixture
def store(place: Place) -> Iterator[SqliteOnlineStore]:
    """Three commits of one client, as it makes them."""
    with closing(SqliteOnlineStore(place.file)) as store:
        for number in (1, 2, 3):
            both, own = store.read(["shared=0@torture", "own=a@torture"])
            changes = [
                StateChange("shared=0@torture", both.version, b"%012d" % number),
                StateChange("own=a@torture", own.version, b"%012d" % number),
            ]
            assert store.commit(changes, [b"a %d 0 ...." % number])
        (place.logs / "acknowledged-a").write_text("1\n2\n3\n")
        yield store


def test_a_sound_store_balances_also_when_a_page_was_written_twice(
    place: Place, store: SqliteOnlineStore
) -> None:
    (place.logs / "collected-0").write_text("1 a 1 0\n2 a 2 ")
    found = balance(place)
    assert (found.acknowledged, found.lost, found.doubled, found.half_done) == (3, 0, 0, 0)


def test_a_lost_a_doubled_and_a_half_done_commit_are_counted(place: Place, store: SqliteOnlineStore) -> None:
    (place.logs / "acknowledged-a").write_text("1\n2\n3\n4\n")
    assert store.commit([], [b"a 3 0 ...."])
    assert store.commit([StateChange(f"shared={SHARED_KEYS}@torture", ABSENT, b"%012d" % 1)], [])
    (own,) = store.read(["own=a@torture"])
    assert store.commit([StateChange("own=a@torture", own.version, b"%012d" % 7)], [])
    found = balance(place)
    assert (found.acknowledged, found.lost, found.doubled, found.half_done) == (4, 1, 1, 1)


def test_a_large_disk_is_never_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.store_torture.__main__.LARGEST_DISK_BYTES", 0)
    with pytest.raises(SystemExit) as refused:
        main([f"--folder={tmp_path}"])
    assert refused.value.code == 2
    assert list(tmp_path.iterdir()) == []


def test_the_store_runs_on_the_other_library_too(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "connect", Sqlite3Connection)
    with closing(SqliteOnlineStore(place.file)) as store:
        assert store.commit([StateChange("a@torture", ABSENT, b"1")], [b"a 1 0 ...."])
        assert not store.commit([StateChange("a@torture", ABSENT, b"1")], [])
        assert store.checkpoint()
        assert collect(place, store)
        assert store.captured_count() == 0
        with pytest.raises(apsw.SQLError, match="no such table"):
            store._opened().execute("SELECT * FROM missing")
