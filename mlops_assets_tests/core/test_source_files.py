"""Source files: what a declared path means, and what is no data."""

from pathlib import Path

import pytest

from mlops_assets.core.errors import SourceError
from mlops_assets.core.source_files import data_files


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"data")


def test_a_pattern_may_stand_in_any_part_and_hidden_files_are_no_data(tmp_path: Path) -> None:
    days = [tmp_path / f"dt=2024-01-0{day}" / "part-0.parquet" for day in (1, 2)]
    touch(*days, tmp_path / "_SUCCESS", tmp_path / "_old" / "a.parquet", tmp_path / ".b.parquet")
    touch(tmp_path / "dt=2024-01-01" / ".part-0.parquet.crc", tmp_path / "notes.txt")
    for pattern in ("", "*", "dt=*", "dt=*/part-0.parquet", "**/part-*.parquet", "dt=2024-01-0[12]"):
        assert data_files(tmp_path / pattern, suffix=".parquet") == tuple(
            sorted(days + ([tmp_path / "notes.txt"] if pattern == "*" else []))
        )
    assert data_files(tmp_path / "_old" / "*", suffix=".parquet") == (tmp_path / "_old" / "a.parquet",)


@pytest.mark.parametrize("name", ["[x]", "what?", "a*b", "my data", "50%25 done", "Müller #1"])
def test_a_name_that_exists_is_itself_whatever_signs_it_has(tmp_path: Path, name: str) -> None:
    file = tmp_path / name / f"{name}.parquet"
    touch(file, tmp_path / "x" / "other.parquet")
    assert data_files(file, suffix=".parquet") == (file,)
    assert data_files(tmp_path / name, suffix=".parquet") == (file,)
    assert data_files(tmp_path / name / "*.parquet", suffix=".parquet") == (file,)


def test_what_is_not_there_is_named_with_what_is(tmp_path: Path) -> None:
    touch(tmp_path / "mine.parquet")
    with pytest.raises(SourceError, match=r"there is no .*other\.parquet; its folder has mine\.parquet"):
        data_files(tmp_path / "other.parquet", suffix=".parquet")
    with pytest.raises(SourceError, match=r"nor its folder .*nowhere/deep: "):
        data_files(tmp_path / "nowhere" / "deep" / "*.parquet", suffix=".parquet")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"the folder .*empty has no \*\.parquet file"):
        data_files(tmp_path / "empty", suffix=".parquet")
