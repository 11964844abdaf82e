"""A damaged store is noticed, refused by everybody, and restored with every record that can be read, each once."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.online_store.embedded.check import examine
from mlops_assets.core.online_store.embedded.files import StoreFiles
from mlops_assets.core.online_store.kept_views import KEPT_VIEWS
from mlops_assets.core.online_store.protocol import ABSENT, StateChange
from mlops_assets.core.online_store.restore import restore_store
from mlops_assets.core.online_store.sqlite import SqliteOnlineStore

RECORDS = 400
IN_THE_LOG = 40
"""Records that no checkpoint brought into the file."""
PAGE = 4096


def content_of(number: int) -> bytes:
    """A record of its own; every seventh is longer than a page."""
    return b"<%d>" % number + b"%03d" % (number % 1000) * (3000 if number % 7 == 0 else 300) + b"</>"


def is_record(content: bytes) -> bool:
    head = re.match(rb"<(\d+)>", content)
    return head is not None and content == content_of(int(head[1]))


def numbers(store: SqliteOnlineStore) -> list[int]:
    """Which records the store has; each is as it was written."""
    found = [int(record.content[1 : record.content.index(b">")]) for record in store.captured()]
    assert all(
        record.content == content_of(number) for number, record in zip(found, store.captured(), strict=True)
    )
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose processes were killed: its newest commits are in the log."""
    folder = tmp_path_factory.mktemp("made")
    file = folder / "shop.sqlite"
    store = SqliteOnlineStore(file)
    assert store.commit([StateChange(KEPT_VIEWS, ABSENT, b"[]")], [])
    for number in range(RECORDS - IN_THE_LOG):
        changes = [StateChange(f"key={number}@view", ABSENT, b"s" * 400)]
        assert store.commit(changes, [content_of(number)])
    store.forget_captured(store.captured(limit=20))
    assert store.checkpoint()
    for number in range(RECORDS - IN_THE_LOG, RECORDS):
        assert store.commit([], [content_of(number)])
    store._watermark.note(store._opened())
    killed = folder / "killed"
    killed.mkdir()
    for left in folder.glob("shop.sqlite*"):
        shutil.copy(left, killed)
    store.close()
    return killed


@pytest.fixture
def file(made: Path, tmp_path: Path) -> Path:
    """A copy of it, which the note of how far it had come speaks of."""
    folder = tmp_path / "online"
    shutil.copytree(made, folder)
    (folder / "shop.sqlite-shm").unlink()
    seen = folder / "shop.sqlite-seen"
    inode = (made.parent / "shop.sqlite").stat().st_ino
    seen.write_text(seen.read_text().replace(str(inode), str((folder / "shop.sqlite").stat().st_ino)))
    return folder / "shop.sqlite"


def pages_with(file: Path, text: bytes) -> list[int]:
    content = file.read_bytes()
    return [at // PAGE for at in range(0, len(content), PAGE) if text in content[at : at + PAGE]]


def overwrite(file: Path, page: int, content: bytes = b"\xa5" * PAGE) -> None:
    with file.open("r+b") as written:
        written.seek(page * PAGE)
        written.write(content)


def page_of_records(file: Path) -> None:
    overwrite(file, pages_with(file, b"<100>")[0])


def page_of_states(file: Path) -> None:
    overwrite(file, pages_with(file, b"key=100@view")[-1])


def inner_pages(file: Path) -> None:
    """Those that lead to the records of the table, and to the keys of the index."""
    content = file.read_bytes()
    for page in range(1, len(content) // PAGE):
        if content[page * PAGE] in (0x02, 0x05):
            overwrite(file, page, b"\0" * PAGE)


def head(file: Path) -> None:
    """Where the log has none that could take its place."""
    with closing(SqliteOnlineStore(file)) as store:
        assert store.captured_count() == len(ALL)
    overwrite(file, 0)


def half_a_file(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2 // PAGE * PAGE + 1000)


def nothing_left(file: Path) -> None:
    os.truncate(file, 0)


def half_a_log(file: Path) -> None:
    """Of the commits; what follows is left from before the log began anew."""
    log = StoreFiles(file).log
    content = log.read_bytes()
    frames = range(32, len(content), 24 + PAGE)
    current = sum(content[at + 8 : at + 16] == content[16:24] for at in frames)
    os.truncate(log, 32 + current // 2 * (24 + PAGE))


def no_log(file: Path) -> None:
    StoreFiles(file).log.unlink()


def log_of_another(file: Path) -> None:
    other = SqliteOnlineStore(file.with_name("other.sqlite"))
    for number in range(1000, 1100):
        assert other.commit([StateChange(f"key={number}@view", ABSENT, b"s" * 400)], [content_of(number)])
    assert other.commit([], [])
    other.clear()
    with closing(SqliteOnlineStore(file.with_name("other.sqlite"))) as second:
        connection = second._opened()
        connection.execute("UPDATE store SET identity = identity")
    shutil.copy(file.with_name("other.sqlite-wal"), StoreFiles(file).log)
    other.close()


ALL = list(range(20, RECORDS))
BEFORE_THE_LOG = list(range(20, RECORDS - IN_THE_LOG))
DAMAGES: dict[Callable[[Path], None], Callable[[list[int]], bool]] = {
    page_of_records: lambda left: 0 < len(set(ALL) - set(left)) <= 5,
    page_of_states: lambda left: left == ALL,
    inner_pages: lambda left: set(left) >= set(ALL),
    head: lambda left: set(left) >= set(ALL),
    half_a_file: lambda left: len(set(ALL) & set(left)) > len(ALL) // 4,
    nothing_left: lambda left: set(left) >= set(range(RECORDS - IN_THE_LOG, RECORDS)),
    half_a_log: lambda left: set(ALL) >= set(left) > set(BEFORE_THE_LOG),
    no_log: lambda left: left == BEFORE_THE_LOG or set(left) >= set(BEFORE_THE_LOG),
    log_of_another: lambda left: set(BEFORE_THE_LOG) <= set(left) < set(range(RECORDS)),
}


@pytest.mark.parametrize(
    ("damage", "is_expected"), DAMAGES.items(), ids=[damage.__name__ for damage in DAMAGES]
)
def test_damage_is_noticed_and_what_can_be_read_is_restored(
    file: Path, damage: Callable[[Path], None], is_expected: Callable[[list[int]], bool]
) -> None:
    damage(file)
    with closing(SqliteOnlineStore(file)) as service:
        try:
            assert service.check(seconds=60.0).damage is not None
        except OnlineStoreError as error:
            assert "mlops store restore shop" in str(error)
        for question in (
            lambda: service.read(["a"]),
            lambda: service.commit([], [b"<>"]),
            service.checkpoint,
        ):
            with pytest.raises(OnlineStoreError, match="mlops store restore shop"):
                question()
        restored = restore_store(file, is_record=is_record)
        assert restored is not None
        left = numbers(service)
        assert len(left) == len(set(left)) == restored.records
        assert is_expected(left), left
        assert service.state_count() <= 1
        assert examine(file, seconds=60.0).damage is None
        assert service.commit([StateChange("key=100@view", ABSENT, b"new")], [content_of(RECORDS)])
        assert numbers(service)[-1] == RECORDS
        assert restored.kept.exists()
        assert restore_store(file, is_record=is_record) is None
        assert numbers(service)[-1] == RECORDS


def test_a_sound_store_is_left_alone_and_a_refusal_without_damage_is_lifted(file: Path) -> None:
    with closing(SqliteOnlineStore(file)) as store:
        assert store.check(seconds=60.0).damage is None
        before = numbers(store)
        StoreFiles(file).mark_damaged("it was a mistake")
        assert restore_store(file, is_record=is_record) is None
        assert numbers(store) == before == ALL


def test_a_version_is_not_given_again_to_a_state_that_was_lost(file: Path) -> None:
    with closing(SqliteOnlineStore(file)) as store:
        (read,) = store.read(["key=100@view"])
        page_of_records(file)
        assert store.check(seconds=60.0).damage is not None
        assert restore_store(file, is_record=is_record) is not None
        with pytest.raises(OnlineStoreError, match="was restored just now: nothing was changed"):
            store.commit([StateChange("key=100@view", read.version, b"of before")], [])
        assert not store.commit([StateChange("key=100@view", read.version, b"of before")], [])
        assert store.commit([StateChange("key=100@view", ABSENT, b"new")], [])
        assert store.read(["key=100@view"])[0].version > read.version


DIES = """
import os, shutil, sys
from pathlib import Path
from mlops_assets.core.online_store import restore
from mlops_assets_tests.core.online_store.test_restore import is_record

def dying(function):
    def step(*arguments, **keywords):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), 9)
        return function(*arguments, **keywords)
    return step

made, folder = Path(sys.argv[1]), Path(sys.argv[2])
left = died = 0
while True:
    left = died + 1
    here = folder / str(died)
    shutil.copytree(made, here)
    child = os.fork()
    if child == 0:
        for name in ("unlink", "replace"):
            setattr(Path, name, dying(getattr(Path, name)))
        for name in ("sync", "write_draft", "_fill", "salvage"):
            setattr(restore, name, dying(getattr(restore, name)))
        os.link = dying(os.link)
        restore.restore_store(here / "shop.sqlite", is_record=is_record)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
    died += 1
print(died)
"""


def test_killed_at_any_step_it_is_done_by_running_it_again(file: Path, tmp_path: Path) -> None:
    page_of_states(file)
    folder = tmp_path / "killed"
    command = [sys.executable, "-c", DIES, str(file.parent), str(folder)]
    died = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert died > 8
    for step in range(died + 1):
        here = folder / str(step) / file.name
        restore_store(here, is_record=is_record)
        assert StoreFiles(here).restoration() is not None
        with closing(SqliteOnlineStore(here)) as store:
            assert numbers(store) == ALL
            assert store.check(seconds=60.0).damage is None
