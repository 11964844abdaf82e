"""A bento is built once, repaired when broken, and released only if its own process gives the offline scores."""

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml

from mlops_assets.core.bento import build as packaging
from mlops_assets.core.bento.build import BuiltBento, build_bento
from mlops_assets.core.bento.golden_requests import GoldenRequests, golden_requests
from mlops_assets.core.bento.server import HOME_VARIABLE, served
from mlops_assets.core.bento.smoke import smoke_test
from mlops_assets.core.errors import PackagingError
from mlops_assets.core.model.calibration import SigmoidCalibrator
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.serving.manifest import BentoManifest, ServedFeature
from mlops_assets_tests.support.product_bento import THRESHOLD, SampledProduct, product_bento, sampled_product


@pytest.fixture(scope="module")
def sampled() -> SampledProduct:
    return sampled_product("fraud_detection")


@pytest.fixture(scope="module")
def model(sampled: SampledProduct) -> TrainedModel:
    return sampled.model


@pytest.fixture(scope="module")
def golden(sampled: SampledProduct) -> GoldenRequests:
    return golden_requests(sampled.product, sampled.model, sampled.events, sampled.labels)


@pytest.fixture(scope="module")
def built(sampled: SampledProduct, tmp_path_factory: pytest.TempPathFactory) -> BuiltBento:
    return product_bento(sampled, tmp_path_factory.mktemp("bentoml"))


def other_model(model: TrainedModel) -> TrainedModel:
    return model.with_calibrator(SigmoidCalibrator(slope=1.5, intercept=0.1))


@pytest.fixture
def bento(built: BuiltBento, tmp_path: Path) -> BuiltBento:
    """A copy that a test may break."""
    shutil.copytree(built.bentoml_home, tmp_path / "home")
    return packaging.built_bento(built.tag, tmp_path / "home")


def bentoml(home: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "bentoml", *arguments]
    subprocess.run(command, env=packaging.bento_environment(home), check=True, capture_output=True)


def servers(home: Path) -> list[psutil.Process]:
    """All processes that serve from this home, orphans too."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(HOME_VARIABLE) == str(home) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


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


def test_a_build_that_bentoml_refuses_shows_the_end_of_its_log(
    sampled: SampledProduct, tmp_path: Path
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "models").write_text("a file where a folder belongs")
    with pytest.raises(PackagingError, match=r"was not built \(code 1\)(.|\n)*models is not a directory"):
        product_bento(sampled, tmp_path / "home")


def test_a_bento_exported_to_another_machine_answers_with_the_offline_features_and_scores_to_the_last_bit(
    built: BuiltBento, golden: GoldenRequests, tmp_path: Path
) -> None:
    archive = tmp_path / "fraud_detection.bento"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    bentoml(built.bentoml_home, "export", built.tag, str(archive))
    bentoml(elsewhere, "import", str(archive))
    result = smoke_test(packaging.built_bento(built.tag, elsewhere), golden, maximum_p99_ms=10_000)
    assert result.requests == len(golden.events) == 100
    assert result.probe.requests > 0
    assert servers(elsewhere) == []


def wrong_score(golden: GoldenRequests) -> GoldenRequests:
    nearly = float(np.nextafter(golden.scores[7], 1))
    return replace(golden, scores=(*golden.scores[:7], nearly, *golden.scores[8:]))


def wrong_feature(golden: GoldenRequests) -> GoldenRequests:
    first, *others = golden.vectors[7]
    assert first is not None
    vector = (float(np.nextafter(first, np.inf)), *others)
    return replace(golden, vectors=(*golden.vectors[:7], vector, *golden.vectors[8:]))


def lost_state(golden: GoldenRequests) -> GoldenRequests:
    return replace(golden, states=golden.states[:1])


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (wrong_score, r"golden request 7 (.|\n)*1 of 100 differ"),
        (wrong_feature, r"golden request 7 (.|\n)*1 of 100 differ"),
        (lost_state, r"golden request \d+ got features (.|\n)* differ"),
    ],
)
def test_a_bento_whose_answers_differ_from_offline_in_the_last_bit_fails(
    built: BuiltBento,
    golden: GoldenRequests,
    spoil: Callable[[GoldenRequests], GoldenRequests],
    named: str,
) -> None:
    with pytest.raises(PackagingError, match=named):
        smoke_test(built, spoil(golden), maximum_p99_ms=10_000)


def test_a_bento_that_is_slow_under_load_fails(built: BuiltBento, golden: GoldenRequests) -> None:
    with pytest.raises(PackagingError, match=r"under load took up to (.|\n)*maximum_p99_ms is 0\.01"):
        smoke_test(built, golden, maximum_p99_ms=0.01)


def test_a_bento_with_a_corrupt_model_file_fails_with_the_reason_and_is_stopped(
    bento: BuiltBento, golden: GoldenRequests
) -> None:
    text = (bento.model_path / "model.lgb").read_text()
    (bento.model_path / "model.lgb").write_text(text.replace("leaf_value=", "leaf_value=9", 1))
    with pytest.raises(PackagingError, match="does not match its digest"):
        smoke_test(bento, golden, maximum_p99_ms=10_000)
    assert servers(bento.bentoml_home) == []


def test_a_bento_with_a_whole_other_model_fails(
    bento: BuiltBento, model: TrainedModel, golden: GoldenRequests
) -> None:
    other_model(model).save(bento.model_path)
    with pytest.raises(PackagingError, match="the bento was built for"):
        smoke_test(bento, golden, maximum_p99_ms=10_000)


def test_a_bento_whose_feature_view_is_not_that_of_its_manifest_fails(
    bento: BuiltBento, golden: GoldenRequests
) -> None:
    manifest = bento.path / "src" / "product.json"
    known = BentoManifest.read(manifest)
    manifest.write_text(replace(known, view_digest="0" * 64).to_json())
    with pytest.raises(PackagingError, match="feature view"):
        smoke_test(bento, golden, maximum_p99_ms=10_000)


def test_a_server_that_is_not_ready_in_time_fails_and_is_stopped(
    built: BuiltBento, golden: GoldenRequests
) -> None:
    with pytest.raises(PackagingError, match="not ready in time"):
        smoke_test(built, golden, maximum_p99_ms=10_000, timeout_seconds=0.2)
    assert servers(built.bentoml_home) == []


def test_workers_of_a_server_that_was_killed_are_ended_too(built: BuiltBento) -> None:
    with served(built, timeout_seconds=120) as server:
        port = server.url.rsplit(":", 1)[1]
        (main,) = [process for process in servers(built.bentoml_home) if port in process.cmdline()]
        assert len(servers(built.bentoml_home)) > 1
        main.kill()
    assert servers(built.bentoml_home) == []
