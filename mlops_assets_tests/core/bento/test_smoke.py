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
from mlops_assets.core.bento.latency import LatencyLimits
from mlops_assets.core.bento.load_probe import TURNS
from mlops_assets.core.bento.smoke import smoke_test
from mlops_assets.core.errors import PackagingError
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.serving.manifest import BentoManifest
from mlops_assets_tests.support.homes.product_bento import other_model, servers

NO_LIMITS = LatencyLimits(margin=1e6)


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
    result = smoke_test(packaging.built_bento(built.tag, elsewhere), golden, limits=NO_LIMITS)
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
        smoke_test(built, spoil(golden), limits=NO_LIMITS)


def test_a_bento_beyond_the_limit_of_its_product_fails(built: BuiltBento, golden: GoldenRequests) -> None:
    with pytest.raises(PackagingError, match=r"under load took up to (.|\n)*maximum_p99_ms is 0\.01"):
        smoke_test(built, golden, limits=LatencyLimits(0.5, maximum_p99_ms=0.01))


@pytest.mark.rehearsal
def test_a_bento_beyond_the_limit_that_the_champion_exceeds_in_the_same_run_is_not_refused(
    built: BuiltBento, bento: BuiltBento, golden: GoldenRequests
) -> None:
    champion = renamed(bento)
    result = smoke_test(built, golden, limits=LatencyLimits(1e6, maximum_p99_ms=0.01), champion=champion)
    assert result.latency.verdict == "inconclusive"
    assert "the champion's bento took up to" in result.latency.reason
    assert len(result.probe.champion_p99_by_turn_ms) == len(result.probe.p99_by_turn_ms) == TURNS
    assert servers(built.bentoml_home) == servers(champion.bentoml_home) == []


def renamed(bento: BuiltBento) -> BuiltBento:
    """The same bento under another tag: as good as the first one, and yet another."""
    tag = f"{bento.tag}0"
    for folder in (bento.path, bento.model_path):
        folder.rename(folder.with_name(f"{folder.name}0"))
    renamed = packaging.built_bento(tag, bento.bentoml_home)
    for file in (renamed.path / "bento.yaml", renamed.model_path / "model.yaml"):
        file.write_text(file.read_text().replace(bento.tag.split(":")[1], tag.split(":")[1]))
    manifest = renamed.path / "src" / "product.json"
    manifest.write_text(replace(BentoManifest.read(manifest), model_tag=tag).to_json())
    return renamed


@pytest.mark.rehearsal
def test_a_champion_that_does_not_answer_is_no_reason_to_refuse(
    built: BuiltBento, bento: BuiltBento, golden: GoldenRequests
) -> None:
    champion = renamed(bento)
    (champion.model_path / "model.lgb").write_text("no model")
    result = smoke_test(built, golden, limits=NO_LIMITS, champion=champion)
    assert result.latency.verdict == "pass"
    assert "not compared: the champion's bento does not answer here" in result.latency.reason
    assert servers(champion.bentoml_home) == []


def test_a_champion_of_another_view_is_not_compared(
    built: BuiltBento, bento: BuiltBento, golden: GoldenRequests
) -> None:
    champion = renamed(bento)
    manifest = champion.path / "src" / "product.json"
    manifest.write_text(replace(BentoManifest.read(manifest), view_digest="0" * 64).to_json())
    result = smoke_test(built, golden, limits=NO_LIMITS, champion=champion)
    assert result.latency.verdict == "pass"
    assert "another feature view" in result.latency.reason


def test_a_bento_with_a_corrupt_model_file_fails_with_the_reason_and_is_stopped(
    bento: BuiltBento, golden: GoldenRequests
) -> None:
    text = (bento.model_path / "model.lgb").read_text()
    (bento.model_path / "model.lgb").write_text(text.replace("leaf_value=", "leaf_value=9", 1))
    with pytest.raises(PackagingError, match="does not match its digest"):
        smoke_test(bento, golden, limits=NO_LIMITS)
    assert servers(bento.bentoml_home) == []


def test_a_bento_with_a_whole_other_model_fails(
    bento: BuiltBento, model: TrainedModel, golden: GoldenRequests
) -> None:
    other_model(model).save(bento.model_path)
    with pytest.raises(PackagingError, match="the bento was built for"):
        smoke_test(bento, golden, limits=NO_LIMITS)


def test_a_bento_whose_feature_view_is_not_that_of_its_manifest_fails(
    bento: BuiltBento, golden: GoldenRequests
) -> None:
    manifest = bento.path / "src" / "product.json"
    known = BentoManifest.read(manifest)
    manifest.write_text(replace(known, view_digest="0" * 64).to_json())
    with pytest.raises(PackagingError, match="feature view"):
        smoke_test(bento, golden, limits=NO_LIMITS)
