"""Retention of bentos: those in use and the newest others stay, the rest goes with its model."""

import os
from pathlib import Path

import pytest

from mlops_assets.core.bento.retention import OldBento, apply_bento_retention, plan_bento_retention

PRODUCT = "fraud_detection"


def name(version: int, build: int = 0) -> str:
    return f"v{version}-{build:012x}"


def store(
    home: Path, folder_name: str, *, built: int, stores: tuple[str, ...] = ("bentos", "models")
) -> None:
    """A folder of the same shape as a bento's, built at the given second."""
    for kind in stores:
        folder = home / kind / PRODUCT / folder_name
        folder.mkdir(parents=True)
        (folder / "content.txt").write_text("x" * 10)
        os.utime(folder, (built, built))


def planned(
    home: Path, *, keep: int = 1, versions: tuple[int, ...] = (), tags: tuple[str, ...] = ()
) -> tuple[OldBento, ...]:
    return plan_bento_retention(
        home,
        PRODUCT,
        keep=keep,
        protected_versions=versions,
        protected_tags=[f"{PRODUCT}:{tag}" for tag in tags],
    )


def tags(bentos: tuple[OldBento, ...]) -> list[str]:
    return [bento.tag.removeprefix(f"{PRODUCT}:") for bento in bentos]


@pytest.fixture
def five(tmp_path: Path) -> Path:
    """Bentos of the versions 1 to 5, built in this order."""
    for version in range(1, 6):
        store(tmp_path, name(version), built=1000 * version)
    return tmp_path


def test_the_newest_others_stay_beside_those_of_released_versions(five: Path) -> None:
    assert tags(planned(five, keep=2, versions=(1,))) == [name(2), name(3)]
    assert tags(planned(five, keep=2)) == [name(1), name(2), name(3)]
    assert tags(planned(five, keep=1, versions=(5, 3))) == [name(1), name(2)]


def test_only_the_newest_build_of_a_released_version_is_in_use_unless_the_plan_names_another(
    five: Path,
) -> None:
    store(five, name(1, build=7), built=9000)
    assert name(1) in tags(planned(five, versions=(1,)))
    assert name(1, build=7) not in tags(planned(five, versions=(1,)))
    assert name(1) not in tags(planned(five, versions=(1,), tags=(name(1),)))


def test_bentomls_own_latest_and_foreign_folders_are_left_alone(five: Path) -> None:
    store(five, "mine", built=1)
    store(five, "v1-notahexnumber", built=1)
    (five / "bentos" / PRODUCT / "latest").write_text(name(2))
    assert tags(planned(five)) == [name(1), name(3), name(4)]


def test_bentos_of_another_product_are_not_listed(five: Path) -> None:
    assert plan_bento_retention(five, "other", keep=1, protected_versions=(), protected_tags=()) == ()


def test_deleting_removes_bento_and_model_and_may_be_repeated(five: Path) -> None:
    old = planned(five, keep=3)
    assert [bento.size_bytes for bento in old] == [20, 20]
    apply_bento_retention(old)
    assert sorted(path.name for path in (five / "bentos" / PRODUCT).iterdir()) == [name(3), name(4), name(5)]
    assert sorted(path.name for path in (five / "models" / PRODUCT).iterdir()) == [name(3), name(4), name(5)]
    apply_bento_retention(old)
    assert planned(five, keep=3) == ()


def test_a_model_that_an_interrupted_build_or_deletion_left_goes_too(tmp_path: Path) -> None:
    store(tmp_path, name(1), built=1000, stores=("models",))
    store(tmp_path, name(2), built=2000)
    (old,) = planned(tmp_path)
    assert old.folders == (tmp_path / "models" / PRODUCT / name(1),)
