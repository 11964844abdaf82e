"""The smoke test of a bento: it passes only where every bit of every answer is the offline one."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlops_assets.core.bento import build as packaging
from mlops_assets.core.bento.build import BuiltBento
from mlops_assets.core.bento.golden_requests import GoldenRequests
from mlops_assets.core.bento.smoke import smoke_test
from mlops_assets.core.errors import PackagingError
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.serving.manifest import BentoManifest
from mlops_assets_tests.support.homes.product_bento import other_model, servers


def bentoml(home: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "bentoml", *arguments]
    subprocess.run(command, env=packaging.bento_environment(home), check=True, capture_output=True)


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
