"""A look at a store takes no longer than it may, and finds what is wrong; test_restore has the kinds of damage."""

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.online_store.embedded import check
from mlops_assets.core.online_store.embedded.check import examine
from mlops_assets.core.online_store.protocol import ABSENT, StateChange
from mlops_assets.core.online_store.sqlite import SqliteOnlineStore


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "shop.sqlite"
    with closing(SqliteOnlineStore(file)) as store:
        assert store.commit(
            [StateChange(f"key={n}@tag", ABSENT, b"s" * 400) for n in range(500)], [b"record"]
        )
    return file


def test_a_sound_store_is_looked_at_whole(file: Path) -> None:
    found = examine(file, seconds=60.0)
    assert (found.damage, found.is_complete) == (None, True)


def test_a_look_is_given_up_in_time_and_when_it_is_cancelled(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "STEPS", 1)
    for found in (examine(file, seconds=0.0), examine(file, seconds=60.0, is_cancelled=lambda: True)):
        assert (found.damage, found.is_complete) == (None, False)


def test_a_log_that_is_cut_off_while_it_is_used_is_noticed(file: Path) -> None:
    with closing(SqliteOnlineStore(file)) as store:
        assert store.commit([], [b"x" * 20_000])
        log = file.with_name("shop.sqlite-wal")
        whole = log.read_bytes()
        log.write_bytes(whole[:8000])
        assert "it was cut off or replaced" in (examine(file, seconds=60.0).damage or "")
        log.write_bytes(whole)
        assert examine(file, seconds=60.0).damage is None


def test_a_file_that_is_not_there_cannot_be_checked(file: Path) -> None:
    shutil.rmtree(file.parent)
    with pytest.raises(OnlineStoreError, match="cannot be checked"):
        examine(file, seconds=1.0)
