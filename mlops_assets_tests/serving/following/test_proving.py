"""A model is proved in a process of its own, which it may kill, hang or fill."""

import time
from pathlib import Path

import psutil
import pytest

from mlops_assets.commands.drill.bad_models import aborting, hanging, large
from mlops_assets.core.errors import ServingError
from mlops_assets.core.model.golden_answers import answers_to_json, golden_answers
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.runtime.memory import MEBIBYTE
from mlops_assets_tests.support.small_model import small_model
from serving.following import proving
from serving.following.apart import NotWantedError
from serving.following.proving import MemoryLimit, ModelToProve, prove

AMPLE = MemoryLimit(1000 * MEBIBYTE, workers=2)


def on_disk(model: TrainedModel, folder: Path, *, answers: str | None = None) -> ModelToProve:
    model.save(folder)
    return ModelToProve("shop version 3", folder, model.digest, answers)


def refusal(model: ModelToProve, limit: MemoryLimit = AMPLE) -> str:
    with pytest.raises(ServingError, match="shop version 3 is refused: ") as refused:
        prove(model, limit, is_wanted=lambda: True)
    return str(refused.value)


def test_a_sound_model_says_what_it_takes_with_and_without_stored_answers(tmp_path: Path) -> None:
    model = small_model(rounds=3)
    answers = answers_to_json(golden_answers(model))
    assert prove(on_disk(model, tmp_path, answers=answers), AMPLE, is_wanted=lambda: True) < 50 * MEBIBYTE
    other = answers_to_json([0.5 for _ in golden_answers(model)])
    assert "where the model was trained it was 0.5" in refusal(on_disk(model, tmp_path, answers=other))


def test_a_model_that_kills_its_process_is_refused_with_the_signal(tmp_path: Path) -> None:
    said = refusal(on_disk(aborting(small_model(rounds=3)), tmp_path))
    assert "the process that tried it died of SIGABRT; it said: " in said
    assert "Model format error" in said


def test_a_model_that_does_not_fit_is_refused_with_what_there_is(tmp_path: Path) -> None:
    model = on_disk(large(small_model(rounds=3)), tmp_path)
    said = refusal(model, MemoryLimit(2 * MEBIBYTE, workers=2))
    assert "it does not fit into memory: 2 workers would load it, and 2 MiB are free" in said


def test_a_model_whose_text_alone_does_not_fit_is_not_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proving, "PROOF", "nothing")
    model = on_disk(large(small_model(rounds=3)), tmp_path)
    size = (tmp_path / "model.lgb").stat().st_size
    said = refusal(model, MemoryLimit(2 * size - 2, workers=2))
    assert (
        f"2 workers would load it, and 76 MiB are free; its text alone takes {size / MEBIBYTE:,.0f} MiB"
        in said
    )


def test_a_model_that_hangs_is_ended_when_its_time_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proving, "PROOF_SECONDS", 1)
    said = refusal(on_disk(hanging(small_model(rounds=3)), tmp_path))
    assert "it was not loaded, or did not answer, within 1 s" in said


def test_a_proof_that_nobody_wants_any_more_is_ended(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(NotWantedError):
        prove(
            on_disk(small_model(rounds=3), tmp_path), AMPLE, is_wanted=lambda: time.monotonic() < began + 0.2
        )
    left = [one for one in psutil.Process().children() if proving.PROOF in one.cmdline()]
    assert left == []


def test_the_limit_is_shared_by_the_models_of_a_plan_and_by_the_workers() -> None:
    limit = MemoryLimit.of_host(workers=0, allowed=100)
    assert (limit.free, limit.workers, limit.per_worker) == (100, 1, 100)
    assert MemoryLimit(100, workers=4).less(10).per_worker == 15
    assert (MemoryLimit.of_host(workers=2).free or 0) > MEBIBYTE
    unknown = MemoryLimit(None, workers=2)
    assert (unknown.per_worker, unknown.less(5)) == (None, unknown)
