"""What the process that fetches tells of a registry's answer."""

from pathlib import Path

import pytest

from mlops_assets.core.model.trained_model import LARGEST_TEXT_BYTES
from mlops_assets_tests.support.homes.small_registry import PRODUCT, SmallRegistry
from serving.following.artifact_fetch import REFUSED, REGISTRY_VARIABLE, fetched

SUBJECT = f"the thing of {PRODUCT} version 2"


@pytest.fixture(autouse=True)
def registry(original_registry: SmallRegistry, monkeypatch: pytest.MonkeyPatch) -> SmallRegistry:
    monkeypatch.setenv(REGISTRY_VARIABLE, original_registry.uri)
    return original_registry


def test_a_view_that_was_not_stored_says_so(registry: SmallRegistry, tmp_path: Path) -> None:
    run_id = registry.control.version(PRODUCT, 2).run_id
    told, code = fetched("view", run_id, tmp_path, subject=SUBJECT)
    assert code == REFUSED
    assert f"{SUBJECT} was not stored with it" in str(told["refused"])


def test_a_model_that_is_too_large_is_not_fetched(registry: SmallRegistry, tmp_path: Path) -> None:
    text = registry.models[1].booster_text
    stored = next(
        file
        for file in (registry.root / "mlartifacts").rglob("extra_files/model.lgb")
        if file.read_text() == text
    )
    try:
        with stored.open("r+b") as opened:
            opened.truncate(LARGEST_TEXT_BYTES + 1)  # takes no room on the disk
        model_uri = registry.control.version(PRODUCT, 2).model_uri
        told, code = fetched("model", model_uri, tmp_path, subject=SUBJECT)
    finally:
        stored.write_text(text)
    assert code == REFUSED
    assert "it has 2,147,483,649 bytes, and at most 2,147,483,648 are read" in str(told["refused"])
    assert not (tmp_path / "model.lgb").exists()
