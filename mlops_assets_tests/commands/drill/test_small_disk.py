"""A small disk is full for real: the system says that no space is left."""

import errno
from pathlib import Path

import pytest

from mlops_assets.commands.drill.small_disk import full, small_disk


def test_a_full_disk_takes_nothing_and_a_freed_one_does(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", mebibytes=1) as disk:
        (disk / "before").write_text("is there")
        with full(disk), pytest.raises(OSError, match="No space left") as refused:
            (disk / "more").write_text("x" * 10)
        assert refused.value.errno == errno.ENOSPC
        (disk / "more").write_text("fits again")
        assert (disk / "before").read_text() == "is there"
    assert list((tmp_path / "disk").iterdir()) == []
