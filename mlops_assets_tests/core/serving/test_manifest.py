"""A bento's manifest: it reads back equal, and what is none is refused."""

import json
from pathlib import Path

import pytest

from mlops_assets.core.errors import PackagingError
from mlops_assets.core.serving.manifest import BentoManifest, ServedDeclaration, ServedFeature

MANIFEST = BentoManifest(
    product="shop",
    declaration=ServedDeclaration("Läden", "Scores orders", "a refund", "order_id", ("customer_id",)),
    version=3,
    digest="ab" * 32,
    model_tag="shop:v3",
    label="is_fraud",
    features=(
        ServedFeature("amount_usd", "its amount", "USD", ""),
        ServedFeature("share", "", "", "no label yet"),
    ),
    libraries=(("lightgbm", "4.7.0"), ("polars", "2.1.0")),
    threshold=0.1 + 0.2,
    view_digest="cd" * 32,
    sources_digest="ef" * 32,
)


def written(folder: Path, text: str) -> Path:
    file = folder / "product.json"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_manifest_reads_back_equal_to_the_last_bit_and_has_one_text(tmp_path: Path) -> None:
    file = written(tmp_path, MANIFEST.to_json())
    assert BentoManifest.read(file) == MANIFEST
    assert BentoManifest.read(file).to_json() == MANIFEST.to_json()


def test_another_format_says_which_is_readable(tmp_path: Path) -> None:
    content = json.loads(MANIFEST.to_json()) | {"format_version": 1}
    with pytest.raises(PackagingError, match="has format 1, readable is 3"):
        BentoManifest.read(written(tmp_path, json.dumps(content)))


@pytest.mark.parametrize("name", sorted(set(json.loads(MANIFEST.to_json()))))
def test_a_manifest_that_lacks_something_is_none(tmp_path: Path, name: str) -> None:
    content = json.loads(MANIFEST.to_json())
    del content[name]
    with pytest.raises(PackagingError, match="cannot be read as a bento's manifest"):
        BentoManifest.read(written(tmp_path, json.dumps(content)))


def test_a_missing_file_and_other_text_are_none(tmp_path: Path) -> None:
    for file in (tmp_path / "nowhere.json", written(tmp_path, "[]")):
        with pytest.raises(PackagingError, match="cannot be read"):
            BentoManifest.read(file)
