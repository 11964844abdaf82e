"""What a store once held is known after all processes died."""

from contextlib import closing
from pathlib import Path

import pytest

from mlops_assets.commands.drill.damaged_store import copy_store
from mlops_assets.core.online_store.embedded import seen
from mlops_assets.core.online_store.embedded.files import StoreFiles
from mlops_assets.core.online_store.sqlite import SqliteOnlineStore


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "shop.sqlite"


def fallen_back(file: Path) -> None:
    """Two records, of which the second is lost after the owner saw it."""
    with closing(SqliteOnlineStore(file)) as store:
        assert store.commit([], [b"1"])
        backup = copy_store(file, file.with_name("backup"))
        assert store.commit([], [b"2"])
        assert store.checkpoint()
    copy_store(backup, file)


def test_records_that_were_acknowledged_and_are_missing_are_named(file: Path) -> None:
    fallen_back(file)
    with closing(SqliteOnlineStore(file)) as store:
        assert seen.missing(StoreFiles(file), store._opened()) is not None
        assert not store.checkpoint()
        assert "records 2 to 2 were acknowledged" in (StoreFiles(file).damage() or pytest.fail()).found


def test_collected_records_are_not_missed(file: Path) -> None:
    with closing(SqliteOnlineStore(file)) as store:
        assert store.commit([], [b"1", b"2"])
        assert store.checkpoint()
        store.forget_captured(store.captured())
        assert seen.missing(StoreFiles(file), store._opened()) is None
        assert store.checkpoint()


def test_a_power_loss_and_another_store_of_the_same_name_are_no_damage(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fallen_back(file)
    (tmp_path / "boot").write_text("another\n")
    with monkeypatch.context() as patch:
        patch.setattr(seen, "_BOOT", tmp_path / "boot")
        with closing(SqliteOnlineStore(file)) as store:
            assert seen.missing(StoreFiles(file), store._opened()) is None
    file.unlink()
    with closing(SqliteOnlineStore(file)) as store:
        assert store.checkpoint()
