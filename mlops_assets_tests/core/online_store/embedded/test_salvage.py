"""What SQLite can read is taken in its order; only what it cannot reach is looked for page by page."""

from contextlib import closing
from pathlib import Path

import pytest

from mlops_assets.core.online_store.embedded.salvage import salvage
from mlops_assets.core.online_store.protocol import ABSENT, StateChange
from mlops_assets.core.online_store.sqlite import SqliteOnlineStore


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Three records, of which the first was collected, and a note beside a state."""
    file = tmp_path / "shop.sqlite"
    with closing(SqliteOnlineStore(file)) as store:
        assert store.commit([StateChange("a=1@tag", ABSENT, b"state"), StateChange("note", ABSENT, b"n")], [])
        for record in (b"<1>", b"<2>", b"<3>"):
            assert store.commit([], [record])
        store.forget_captured(store.captured(limit=1))
    return file


def test_a_sound_file_gives_its_records_and_none_that_was_collected(file: Path) -> None:
    found = salvage(file, is_record=lambda _: False)
    assert (found.records, found.newest_position) == ({2: b"<2>", 3: b"<3>"}, 3)
    assert [(key, content) for key, (_, content) in found.notes.items()] == [("note", b"n")]
    with closing(SqliteOnlineStore(file)) as store:
        assert found.identity == store.identity()
        assert found.newest_version == store.read(["a=1@tag"])[0].version
    assert found.is_whole


def test_without_its_head_only_what_is_a_record_is_taken(file: Path) -> None:
    content = file.read_bytes()
    with closing(SqliteOnlineStore(file)) as store:
        identity = store.identity()
    file.write_bytes(b"\0" * 100 + content[100:])
    found = salvage(file, is_record=lambda record: record != b"<2>")
    assert found.records == {3: b"<3>"}
    assert found.identity == identity
    assert found.newest_version > 0
    assert not found.is_whole
