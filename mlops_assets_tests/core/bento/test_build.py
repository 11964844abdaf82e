"""A bento is built once, repaired when broken, and released only if its own process gives the offline scores."""

import contextlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import yaml

from mlops_assets.core.bento import build as packaging
from mlops_assets.core.bento.build import BuiltBento
from mlops_assets.core.bento.sources import bento_sources
from mlops_assets.core.errors import FeatureError
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.serving.manifest import BentoManifest
from mlops_assets_tests.support.code.edited import Edit, edited_code
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
    locked = (built.path / "env/python/requirements.lock.txt").read_text()
    assert {line.split()[0] for line in locked.splitlines() if "==" in line} == set(requirements)
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


def test_a_bento_whose_requirements_were_changed_is_built_again(
    built: BuiltBento, sampled: SampledProduct, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(built.bentoml_home, home, symlinks=True)
    lock = home / built.path.relative_to(built.bentoml_home) / "env/python/requirements.lock.txt"
    right = lock.read_text()
    lock.write_text(right.replace("sha256:", "sha256:0", 1))
    product_bento(sampled, home)
    assert lock.read_text() == right


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


SAME = (
    Edit("serving.limits", "MAXIMUM_EVENTS = 1000", "# so many at once\nMAXIMUM_EVENTS = 1000"),
    Edit("mlops_assets.core.model.calibration", "Raises:", "It raises:"),
    Edit("mlops_assets.core.evaluation.plots", "def roc_curves(", "MORE = 1\n\n\ndef roc_curves("),
    Edit("mlops_assets.core.training.fit", "def fit(", "MORE = 1\n\n\ndef fit("),
    Edit("mlops_assets.products.fraud_detection.dataset", "SOURCES", "MORE = 1\nSOURCES"),
    Edit("mlops_assets.products.mortality_risk.features", "VIEW", "MORE = 1\nVIEW"),
)
OTHER = (
    Edit("serving.limits", "MAXIMUM_EVENTS = 1000", "MAXIMUM_EVENTS = 999"),
    Edit("mlops_assets.core.model.explanation", "BIAS = ", "MORE = 1\nBIAS = "),
    Edit("mlops_assets.products.fraud_detection.features", "VIEW", "MORE = 1\nVIEW"),
)


@pytest.mark.parametrize("edit", SAME, ids=lambda edit: edit.module)
def test_words_and_code_that_is_not_served_keep_the_bento(
    built: BuiltBento, sampled: SampledProduct, monkeypatch: pytest.MonkeyPatch, edit: Edit
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a second build was started")

    monkeypatch.setattr(packaging, "_run_build", refuse)
    assert product_bento(sampled, built.bentoml_home, code=edited_code(edit)) == built


@pytest.mark.parametrize("edit", OTHER, ids=lambda edit: edit.module)
def test_another_statement_in_served_code_is_another_bento(
    built: BuiltBento, sampled: SampledProduct, monkeypatch: pytest.MonkeyPatch, edit: Edit
) -> None:
    monkeypatch.setattr(packaging, "_run_build", lambda *_: None)
    assert product_bento(sampled, built.bentoml_home, code=edited_code(edit)).tag != built.tag


def test_a_bento_carries_what_serves_and_nothing_else(built: BuiltBento) -> None:
    source = built.path / "src"
    files = {file.relative_to(source).as_posix() for file in source.rglob("*") if file.is_file()}
    files = {file for file in files if "__pycache__" not in file}
    assert files == {
        *bento_sources("fraud_detection").files,
        "product.json",
        "example.json",
        "bentofile.yaml",
    }
    product = {file for file in files if "/products/" in file and file.count("/") > 2}
    assert {Path(file).name for file in product} == {"__init__.py", "features.py", "schemas.py"}
    assert not [file for file in files if file.endswith("/fit.py") or "/bento/" in file]
    assert json.loads((source / "example.json").read_text())["transaction_id"] is not None


def test_an_incomplete_bento_is_built_again(bento: BuiltBento, sampled: SampledProduct) -> None:
    (bento.path / "bento.yaml").unlink()
    (bento.model_path / "model.lgb").write_text("cut short")
    repaired = product_bento(sampled, bento.bentoml_home)
    assert repaired == bento
    assert (bento.path / "bento.yaml").is_file()
    assert TrainedModel.load(bento.model_path) == sampled.model


def test_a_model_that_takes_another_feature_than_the_view_has_is_refused(
    sampled: SampledProduct, tmp_path: Path
) -> None:
    model = sampled.model
    other = replace(model, feature_names=(*model.feature_names[:-1], "no_such_feature"))
    with pytest.raises(FeatureError, match="no_such_feature"):
        product_bento(replace(sampled, model=other), tmp_path)


BUILDS = """
import sys
from pathlib import Path
from mlops_assets.catalogue import load_product
from mlops_assets.core.bento.build import build_bento
from mlops_assets.core.model.trained_model import TrainedModel

home, model, threshold = sys.argv[1:]
build_bento(
    load_product("fraud_detection"), TrainedModel.load(Path(model)),
    version=3, threshold=float(threshold), bentoml_home=Path(home),
)
"""


def builders(home: Path) -> list[psutil.Process]:
    """All processes that build into this home, orphans too."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            is_builder = str(packaging.bento_build.__file__) in process.cmdline()
            if is_builder and process.environ().get("BENTOML_HOME") == str(home):
                found.append(process)
    return found


def wait_until(holds: "Callable[[], bool]") -> None:
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_build_ends_with_a_run_that_was_killed_and_the_next_run_builds_the_same(
    built: BuiltBento, sampled: SampledProduct, tmp_path: Path
) -> None:
    options = [str(tmp_path), str(built.model_path), repr(THRESHOLD)]
    run = subprocess.Popen([sys.executable, "-c", BUILDS, *options])
    try:
        wait_until(lambda: bool(builders(tmp_path)))
        for builder in builders(tmp_path):
            builder.suspend()  # so that it cannot be ready before it is ended
    finally:
        run.kill()
        run.wait()
    wait_until(lambda: not builders(tmp_path))
    unfinished = packaging.built_bento(built.tag, tmp_path)
    assert not (unfinished.path / "bento.yaml").exists(), "it went on without the run"
    again = product_bento(sampled, tmp_path)
    assert again.tag == built.tag
    assert (again.path / "bento.yaml").is_file()
