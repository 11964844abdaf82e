"""A small filesystem is full for real, seen by those who are let in, and gone afterwards."""

import errno
import subprocess
from pathlib import Path

import pytest

from mlops_assets.commands.drill import small_disk as module
from mlops_assets.commands.drill.small_disk import require_small_disk, small_disk
from mlops_assets.core.errors import ConfigurationError

SIZE = 1 << 20


def test_it_is_filled_until_nothing_is_left_and_freed_again(tmp_path: Path) -> None:
    with small_disk(tmp_path, size_bytes=SIZE) as disk:
        assert disk.free_bytes() == SIZE
        assert disk.fill() == SIZE
        assert disk.free_bytes() == 0
        with pytest.raises(OSError, match="No space left") as full:
            (disk.outside / "more").write_bytes(b"x")
        assert full.value.errno == errno.ENOSPC
        disk.free()
        (disk.outside / "more").write_bytes(b"x" * 1000)
        assert list(tmp_path.iterdir()) == []
        seen = subprocess.run(
            [*disk.launcher, "cat", str(disk.folder / "more")], check=True, capture_output=True
        )
        assert seen.stdout == b"x" * 1000
        outside = disk.outside
    assert not outside.exists()


def test_a_command_starts_where_it_was_called(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    with small_disk(tmp_path / "disk", size_bytes=SIZE) as disk:
        where = subprocess.run(
            [*disk.launcher, "pwd"], cwd=tmp_path, check=True, capture_output=True, text=True
        )
    assert where.stdout.strip() == str(tmp_path.resolve())


def test_who_may_mount_none_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    require_small_disk()
    monkeypatch.setattr(module, "_WAYS", (("--no-such-option",),))
    with pytest.raises(ConfigurationError, match="allow user namespaces"):
        require_small_disk()
