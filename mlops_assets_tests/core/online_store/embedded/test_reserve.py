"""A store whose disk is full for real can delete, and goes on by itself."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_assets.commands.drill.small_disk import SmallDisk, small_disk
from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.online_store.embedded.files import StoreFiles
from mlops_assets.core.online_store.embedded.reserve import RESERVE_BYTES, Reserve
from mlops_assets.core.online_store.protocol import StateChange
from mlops_assets.core.online_store.sqlite import SqliteOnlineStore

SMALLER = 8
"""Reserve, and the log that a checkpoint lets begin anew, are so many times smaller here than they are by default."""
DISK_BYTES = 96 * 1024 * 1024
CHILD = """
import contextlib, json, sys
from pathlib import Path
from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.online_store.embedded import checkpoint, reserve
from mlops_assets.core.online_store.protocol import StateChange
from mlops_assets.core.online_store.sqlite import SqliteOnlineStore

file, smaller, told = Path(sys.argv[1]), int(sys.argv[3]), {}
reserve.RESERVE_BYTES //= smaller
checkpoint.LONG_LOG_PAGES //= smaller
store = SqliteOnlineStore(file)
store.has_checkpointer = True
store.checkpoint()
told["reserve"] = store._files.reserve.stat().st_size
if sys.argv[2] == "none":
    reserve.Reserve.keep = lambda _: None
    store._files.reserve.unlink()

def commit(number):
    changes = [StateChange(f"key={number}.{n}@view", 0, bytes(4000)) for n in range(50)]
    assert store.commit(changes, [b"record %d" % number])

for number in range(60):
    commit(number)
    if number % 10 == 0:
        store.checkpoint()
with file.with_name("filler").open("ab", buffering=0) as filler, contextlib.suppress(OSError):
    while True:
        filler.write(bytes(512))
with contextlib.suppress(OnlineStoreError):
    store.checkpoint()
try:
    while True:
        number += 1
        commit(number)
except OnlineStoreError:
    pass
try:
    while True:  # as long as so little fits into what is left of the log
        store.commit([StateChange(f"key=little.{number}@view", 0, b"")], [])
        number += 1
except OnlineStoreError as error:
    told["full"] = str(error)
told["records"], told["states"] = store.captured_count(), store.state_count()
try:
    store.forget_captured(store.captured(limit=30))
    told["evicted"] = store.evict({f"key={block}.{n}@view": 128 for block in range(30) for n in range(50)})
    told["more"] = store.commit([StateChange("key=more@view", 0, b"state")], [b"record"])
except OnlineStoreError as error:
    told["refused"] = str(error)
told["states_left"], told["records_left"] = store.state_count(), store.captured_count()
told["damage"] = store.check(seconds=60).damage
print(json.dumps(told))
"""


def fill(disk: SmallDisk, *, reserve: str) -> dict[str, object]:
    """Let a process fill a store on the disk until it is refused, and then delete half of it."""
    file = disk.folder / "shop.sqlite"
    done = subprocess.run(
        [*disk.launcher, sys.executable, "-c", CHILD, str(file), reserve, str(SMALLER)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_store_on_a_full_disk_can_delete_and_then_goes_on(tmp_path: Path) -> None:
    with small_disk(tmp_path, size_bytes=DISK_BYTES) as disk:
        told = fill(disk, reserve="kept")
    records, states = told["records"], told["states"]
    assert isinstance(records, int)
    assert isinstance(states, int)
    assert told["reserve"] == RESERVE_BYTES // SMALLER
    assert "free space on its disk" in str(told["full"])
    assert "refused" not in told, told
    assert (told["more"], told["evicted"], told["damage"]) == (True, 30 * 50, None)
    assert (told["states_left"], told["records_left"]) == (states - 30 * 50 + 1, records - 30 + 1)


def test_without_a_reserve_nothing_is_lost_and_it_says_what_to_do(tmp_path: Path) -> None:
    with small_disk(tmp_path, size_bytes=DISK_BYTES) as disk:
        told = fill(disk, reserve="none")
    assert "free space on its disk" in str(told["refused"])
    assert (told["states_left"], told["records_left"]) == (told["states"], told["records"])
    assert told["damage"] is None


def test_nothing_is_written_while_the_reserve_is_given_back(tmp_path: Path) -> None:
    files = StoreFiles(tmp_path / "shop.sqlite")
    store, reserve = SqliteOnlineStore(files.file), Reserve(files)
    assert store.checkpoint()
    assert (files.reserve.stat().st_size, reserve.is_spent) == (RESERVE_BYTES, False)
    assert reserve.spend()
    assert (files.reserve.exists(), files.spent.stat().st_size) == (False, 0)
    with pytest.raises(OnlineStoreError, match="is in use; nothing was changed: free space"):
        store.commit([StateChange("key@view", 0, b"")], [b"record"])
    assert store.captured_count() == 0
    assert store.checkpoint()
    assert not reserve.is_spent
    assert store.commit([StateChange("key@view", 0, b"")], [b"record"])
    store.close()


def test_no_reserve_is_given_back_where_there_is_none(tmp_path: Path) -> None:
    assert not Reserve(StoreFiles(tmp_path / "shop.sqlite")).spend()
