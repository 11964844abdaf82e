"""A bento is built once, repaired when broken, and released only if its own process gives the offline scores."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from mlops_assets.core.bento import build as packaging
from mlops_assets.core.bento.build import BuiltBento, build_bento
from mlops_assets.core.errors import PackagingError
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.serving.manifest import BentoManifest, ServedFeature
from mlops_assets_tests.support.homes.product_bento import (
    THRESHOLD,
    SampledProduct,
    other_model,
    product_bento,
)


def bentoml(home: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "bentoml", *arguments]
    subprocess.run(command, env=packaging.bento_environment(home), check=True, capture_output=True)


def test_the_bento_pins_its_model_its_requirements_and_its_sources(
    built: BuiltBento, model: TrainedModel
) -> None:
    info = yaml.safe_load((built.path / "bento.yaml").read_text())
    assert [model["tag"] for service in info["services"] for model in service["models"]] == [built.tag]
    requirements = (built.path / "env/python/requirements.txt").read_text().split()
    assert all("==" in line for line in requirements)
    assert {line.split("==")[0] for line in requirements} >= {"lightgbm", "polars", "bentoml", "starlette"}
    assert (built.path / "src/mlops_assets/core/model/trained_model.py").is_file()
    manifest = BentoManifest.read(built.path / "src/product.json")
    assert (manifest.product, manifest.version, manifest.digest) == ("fraud_detection", 3, model.digest)
    assert manifest.threshold == THRESHOLD
    assert TrainedModel.load(built.model_path) == model
    assert built.tag.startswith("fraud_detection:v3-")


def test_building_again_does_nothing(
    built: BuiltBento, sampled: SampledProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {file: file.stat().st_mtime_ns for file in built.path.rglob("*")}

    def refuse(*_: object) -> None:
        raise AssertionError("a second build was started")

    monkeypatch.setattr(packaging, "_run_build", refuse)
    assert product_bento(sampled, built.bentoml_home) == built
    assert {file: file.stat().st_mtime_ns for file in built.path.rglob("*")} == before


def test_another_model_or_version_is_another_bento(
    built: BuiltBento, sampled: SampledProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packaging, "_run_build", lambda *_: None)
    another = replace(sampled, model=other_model(sampled.model))
    tags = {
        built.tag,
        product_bento(another, built.bentoml_home).tag,
        product_bento(sampled, built.bentoml_home, version=4).tag,
    }
    assert len(tags) == 3


def test_an_incomplete_bento_is_built_again(bento: BuiltBento, sampled: SampledProduct) -> None:
    (bento.path / "bento.yaml").unlink()
    (bento.model_path / "model.lgb").write_text("cut short")
    repaired = product_bento(sampled, bento.bentoml_home)
    assert repaired == bento
    assert (bento.path / "bento.yaml").is_file()
    assert TrainedModel.load(bento.model_path) == sampled.model


def test_features_that_are_not_the_models_are_refused(model: TrainedModel, tmp_path: Path) -> None:
    features = [ServedFeature(name, "", "", "") for name in reversed(model.feature_names)]
    with pytest.raises(PackagingError, match="the model takes"):
        build_bento(
            product="fraud_detection",
            title="",
            version=1,
            model=model,
            features=features,
            threshold=0.5,
            view_digest="",
            bentoml_home=tmp_path,
        )
