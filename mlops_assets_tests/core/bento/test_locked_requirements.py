"""A bento's requirements carry the hashes of the lock file, all of them or none."""

from pathlib import Path

import pytest
from packaging.requirements import Requirement

from mlops_assets.core.bento.locked_requirements import locked_hashes, locked_text, unlocked
from mlops_assets.core.bento.pinned_requirements import pinned_requirements, requirements_of
from mlops_assets.core.bento.sources import bento_sources

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    file = tmp_path / "requirements.lock"
    file.write_text(
        f"# a comment\nA_b.c[extra]==1.0 ; python_version > '3' \\\n    --hash={ONE} \\\n    --hash={TWO}\n"
        f"d==2 --hash={TWO}\n"
    )
    return file


def test_hashes_are_found_under_canonical_names(lock: Path) -> None:
    assert locked_hashes(lock) == {("a-b-c", "1.0"): (ONE, TWO), ("d", "2"): (TWO,)}


def test_without_a_lock_nothing_is_known_and_every_requirement_is_named(tmp_path: Path) -> None:
    assert locked_hashes(tmp_path / "none") == {}
    assert unlocked([("d", "2"), ("e", "3")], {("d", "2"): (ONE,), ("e", "4"): (ONE,)}) == ["e==3"]


def test_the_text_is_what_pip_reads(lock: Path) -> None:
    text = locked_text([("a-b-c", "1.0"), ("d", "2")], locked_hashes(lock))
    assert text == f"a-b-c==1.0 \\\n    --hash={ONE} \\\n    --hash={TWO}\nd==2 \\\n    --hash={TWO}\n"


def test_every_requirement_of_a_bento_has_a_hash_in_this_clones_lock() -> None:
    pinned = pinned_requirements(requirements_of(bento_sources("fraud_detection").libraries))
    hashes = locked_hashes()
    assert unlocked(pinned, hashes) == []
    blocks = locked_text(pinned, hashes).replace(" \\\n   ", "").splitlines()
    assert len(blocks) == len(pinned)
    for block, (name, version) in zip(blocks, pinned, strict=True):
        requirement, *options = block.split(" ")
        assert Requirement(requirement).specifier == Requirement(f"{name}=={version}").specifier
        assert options
        assert all(option.startswith("--hash=sha256:") for option in options)
