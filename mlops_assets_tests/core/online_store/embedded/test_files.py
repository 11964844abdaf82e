"""Who finds a store damaged tells everybody, and only of the file that is damaged."""

from pathlib import Path

import msgspec
import pytest

from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.online_store.embedded.files import Restoration, StoreFiles


@pytest.fixture
def files(tmp_path: Path) -> StoreFiles:
    (tmp_path / "shop.sqlite").write_bytes(b"content")
    return StoreFiles(tmp_path / "shop.sqlite")


def test_a_sound_store_is_not_refused(files: StoreFiles) -> None:
    assert files.damage() is None
    files.refuse_damaged()


def test_a_damaged_store_is_refused_with_what_to_do_and_a_first_finding_stays(files: StoreFiles) -> None:
    files.mark_damaged("page 7 is wrong")
    files.mark_damaged("page 8 is wrong")
    with pytest.raises(OnlineStoreError, match=r"page 7 is wrong.*run `mlops store restore shop`"):
        files.refuse_damaged()


def test_another_file_of_the_same_name_is_not_damaged(files: StoreFiles) -> None:
    files.mark_damaged("page 7 is wrong")
    files.file.rename(files.beside("-kept"))
    files.file.write_bytes(b"content")
    assert files.damage() is None


def test_a_note_that_cannot_be_read_counts_as_damage(files: StoreFiles) -> None:
    files.damaged.write_bytes(b"{")
    with pytest.raises(OnlineStoreError, match="-damaged cannot be read"):
        files.refuse_damaged()


def test_only_what_was_restored_from_a_file_takes_its_place(files: StoreFiles) -> None:
    here, other = files.inode() or 0, 1
    assert not files.replaced(other)
    files.restored.write_bytes(msgspec.json.encode(Restoration(here, [other])))
    assert files.replaced(other)
    assert not files.replaced(2)
    files.restored.write_bytes(msgspec.json.encode(Restoration(here + 1, [other])))
    assert not files.replaced(other)
