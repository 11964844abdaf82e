"""A bento is built once, repaired when broken, and released only if its own process gives the offline scores."""

import contextlib
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml

from mlops_assets.core import packaging
from mlops_assets.core.bento_manifest import BentoManifest, ServedFeature
from mlops_assets.core.errors import PackagingError
from mlops_assets.core.model import TrainedModel
from mlops_assets.core.packaging import BuiltBento, build_bento
from mlops_assets.core.smoke_test import golden_requests, served, smoke_test
from mlops_assets_tests.core.small_bento import small_bento
from mlops_assets_tests.core.small_model import FEATURES, small_model, small_rows


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    return small_model()


@pytest.fixture(scope="module")
def built(model: TrainedModel, tmp_path_factory: pytest.TempPathFactory) -> BuiltBento:
    return small_bento(model, tmp_path_factory.mktemp("bentoml"))


@pytest.fixture
def bento(built: BuiltBento, tmp_path: Path) -> BuiltBento:
    """A copy that a test may break."""
    shutil.copytree(built.bentoml_home, tmp_path / "home")
    return packaging._located(built.tag, tmp_path / "home")


def bentoml(home: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "bentoml", *arguments]
    subprocess.run(command, env=packaging.bento_environment(home), check=True, capture_output=True)


def servers(home: Path) -> list[psutil.Process]:
    """All processes that serve from this home, orphans too."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if (
                process.environ().get("BENTOML_HOME") == str(home)
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                found.append(process)
    return found


def test_the_bento_pins_its_model_its_requirements_and_its_sources(
    built: BuiltBento, model: TrainedModel
) -> None:
    info = yaml.safe_load((built.path / "bento.yaml").read_text())
    assert [model["tag"] for service in info["services"] for model in service["models"]] == [built.tag]
    requirements = (built.path / "env/python/requirements.txt").read_text().split()
    assert all("==" in line for line in requirements)
    assert {line.split("==")[0] for line in requirements} >= {"lightgbm", "polars", "bentoml"}
    assert (built.path / "src/mlops_assets/core/model.py").is_file()
    manifest = BentoManifest.read(built.path / "src/product.json")
    assert (manifest.product, manifest.version, manifest.digest) == ("fraud_detection", 3, model.digest)
    assert TrainedModel.load(built.model_path) == model
    assert built.tag.startswith("fraud_detection:v3-")


def test_building_again_does_nothing(
    built: BuiltBento, model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {file: file.stat().st_mtime_ns for file in built.path.rglob("*")}

    def refuse(*_: object) -> None:
        raise AssertionError("a second build was started")

    monkeypatch.setattr(packaging, "_run_build", refuse)
    assert small_bento(model, built.bentoml_home) == built
    assert {file: file.stat().st_mtime_ns for file in built.path.rglob("*")} == before


def test_another_model_or_version_is_another_bento(
    built: BuiltBento, model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packaging, "_run_build", lambda *_: None)
    tags = {
        built.tag,
        small_bento(small_model(seed=1), built.bentoml_home).tag,
        small_bento(model, built.bentoml_home, version=4).tag,
    }
    assert len(tags) == 3


def test_an_incomplete_bento_is_built_again(bento: BuiltBento, model: TrainedModel) -> None:
    (bento.path / "bento.yaml").unlink()
    (bento.model_path / "model.lgb").write_text("cut short")
    repaired = small_bento(model, bento.bentoml_home)
    assert repaired == bento
    assert (bento.path / "bento.yaml").is_file()
    assert TrainedModel.load(bento.model_path) == model


def test_features_that_are_not_the_models_are_refused(model: TrainedModel, tmp_path: Path) -> None:
    features = [ServedFeature(name, "", "", "") for name in reversed(FEATURES)]
    with pytest.raises(PackagingError, match="the model takes"):
        build_bento(
            product="fraud_detection",
            title="",
            version=1,
            model=model,
            features=features,
            bentoml_home=tmp_path,
        )


def test_a_build_that_bentoml_refuses_shows_the_end_of_its_log(model: TrainedModel, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "models").write_text("a file where a folder belongs")
    with pytest.raises(PackagingError, match=r"was not built \(code 1\)(.|\n)*models is not a directory"):
        small_bento(model, tmp_path / "home")


def test_golden_requests_keep_missing_values_and_the_offline_scores(model: TrainedModel) -> None:
    rows = small_rows(seed=4)
    golden = golden_requests(model, rows, maximum_rows=20)
    assert len(golden.rows) == 20
    assert golden.rows[0]["terminal_fraud_share"] is None
    np.testing.assert_array_equal(golden.scores, model.predict(rows.head(20)))
    with pytest.raises(PackagingError, match="at least one row"):
        golden_requests(model, rows.head(0))


def test_a_bento_exported_to_another_machine_answers_with_the_offline_scores_to_the_last_bit(
    built: BuiltBento, model: TrainedModel, tmp_path: Path
) -> None:
    archive = tmp_path / "fraud_detection.bento"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    bentoml(built.bentoml_home, "export", built.tag, str(archive))
    bentoml(elsewhere, "import", str(archive))
    result = smoke_test(packaging._located(built.tag, elsewhere), golden_requests(model, small_rows(seed=4)))
    assert (result.requests, result.max_abs_difference) == (100, 0.0)
    assert servers(elsewhere) == []


def test_a_bento_whose_scores_differ_in_the_last_bit_fails(built: BuiltBento, model: TrainedModel) -> None:
    golden = golden_requests(model, small_rows(seed=4))
    wrong = replace(
        golden, scores=(*golden.scores[:7], float(np.nextafter(golden.scores[7], 1)), *golden.scores[8:])
    )
    with pytest.raises(PackagingError, match=r"to golden request 7.*1 of 100 differ"):
        smoke_test(built, wrong)


def test_a_bento_with_a_corrupt_model_file_fails_with_the_reason_and_is_stopped(
    bento: BuiltBento, model: TrainedModel
) -> None:
    text = (bento.model_path / "model.lgb").read_text()
    (bento.model_path / "model.lgb").write_text(text.replace("leaf_value=", "leaf_value=9", 1))
    with pytest.raises(PackagingError, match="does not match its digest"):
        smoke_test(bento, golden_requests(model, small_rows(seed=4)))
    assert servers(bento.bentoml_home) == []


def test_a_bento_with_a_whole_other_model_fails(bento: BuiltBento, model: TrainedModel) -> None:
    small_model(seed=1).save(bento.model_path)
    with pytest.raises(PackagingError, match="the bento was built for"):
        smoke_test(bento, golden_requests(model, small_rows(seed=4)))


def test_a_server_that_is_not_ready_in_time_fails_and_is_stopped(
    built: BuiltBento, model: TrainedModel
) -> None:
    with pytest.raises(PackagingError, match="not ready in time"):
        smoke_test(built, golden_requests(model, small_rows(seed=4)), timeout_seconds=0.2)
    assert servers(built.bentoml_home) == []


def test_workers_of_a_server_that_was_killed_are_ended_too(built: BuiltBento) -> None:
    with served(built, timeout_seconds=120) as server:
        port = server.url.rsplit(":", 1)[1]
        (main,) = [process for process in servers(built.bentoml_home) if port in process.cmdline()]
        assert len(servers(built.bentoml_home)) > 1
        main.kill()
    assert servers(built.bentoml_home) == []
