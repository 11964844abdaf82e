"""A new store appears whole or not at all."""

from pathlib import Path

import pytest

from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.online_store.embedded.creation import create_store


def test_a_store_that_is_there_is_left_alone_and_no_draft_remains(tmp_path: Path) -> None:
    file = tmp_path / "shop.sqlite"
    create_store(file)
    content = file.read_bytes()
    create_store(file)
    assert file.read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["shop.sqlite"]


def test_a_log_without_its_file_is_refused_unless_it_is_empty(tmp_path: Path) -> None:
    log = tmp_path / "shop.sqlite-wal"
    log.write_bytes(b"commits")
    with pytest.raises(OnlineStoreError, match="move the log away too"):
        create_store(tmp_path / "shop.sqlite")
    log.write_bytes(b"")
    create_store(tmp_path / "shop.sqlite")
    assert (tmp_path / "shop.sqlite").exists()
