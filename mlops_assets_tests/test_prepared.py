"""What one worker of a run has prepared is there for all of them, whole or not at all."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mlops_assets_tests.support.homes.prepared import prepared


def test_a_folder_is_made_once_however_many_ask_at_the_same_time(tmp_path: Path) -> None:
    made: list[Path] = []

    def make(folder: Path) -> None:
        folder.mkdir()
        made.append(folder)

    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: prepared(tmp_path, "home", make), range(8)))
    assert list(found) == made
    assert prepared(tmp_path, "another", make) not in found


def test_a_folder_that_was_left_half_made_is_made_anew(tmp_path: Path) -> None:
    def breaks(folder: Path) -> None:
        (folder / "half").mkdir(parents=True)
        raise OSError("no space")

    for _ in range(2):
        with pytest.raises(OSError, match="no space"):
            prepared(tmp_path, "home", breaks)
    assert list(prepared(tmp_path, "home", Path.mkdir).iterdir()) == []
