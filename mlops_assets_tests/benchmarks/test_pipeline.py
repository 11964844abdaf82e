"""The pipeline benchmark: both contenders do the same work, and one that does not is told."""

import json
import sys
from dataclasses import replace

import pytest

from benchmarks.pipeline.__main__ import Run, check_equal, main, step_rows, summary
from benchmarks.pipeline.workload import PRODUCT, UNLIMITED_SECONDS, covered, scaled_product
from mlops_assets.catalogue import load_product

ANSWER = {
    "rows": {"events": 10},
    "model_digest": "a",
    "estimates_digest": "b",
    "verdicts_digest": "c",
    "step_seconds": {"events": 1.0},
}


def run(seconds: float, cpu_seconds: float, step_seconds: dict[str, float]) -> Run:
    return Run(seconds, cpu_seconds, {**ANSWER, "step_seconds": step_seconds})


@pytest.mark.parametrize("name", ["rows", "model_digest", "estimates_digest", "verdicts_digest"])
def test_contenders_that_made_different_things_end_the_benchmark(name: str) -> None:
    with pytest.raises(SystemExit, match=name):
        check_equal(ANSWER, {**ANSWER, name: "different"})


def test_times_may_differ() -> None:
    check_equal(ANSWER, {**ANSWER, "step_seconds": {"events": 2.0}})


def test_the_summary_pairs_neighbouring_runs() -> None:
    runs = {
        "script": [run(10, 8, {}), run(20, 8, {}), run(10, 8, {})],
        "dagster": [run(12, 12, {}), run(22, 16, {}), run(14, 12, {})],
    }
    answer = summary(runs, 10)
    assert answer["overhead_ratio"] == 1.2
    assert answer["overhead_seconds"] == 2
    assert answer["cpu_overhead_ratio"] == 1.5
    assert answer["spread"] == {"overhead_ratio": [1.1, 1.4], "cpu_overhead_ratio": [1.5, 2.0]}


def test_time_outside_of_steps_has_a_row_of_its_own() -> None:
    runs = {
        "script": [run(10, 8, {"model": 6.0})],
        "dagster": [run(15, 9, {"model": 7.0, "model_version": 1.0})],
    }
    assert step_rows(runs) == [
        ["model", 6.0, 7.0, 1.0],
        ["model_version", 0.0, 1.0, 1.0],
        ["imports and between steps", 4.0, 7.0, 3.0],
    ]


def test_a_scaled_product_differs_in_size_and_budget_only() -> None:
    whole, small = load_product(PRODUCT), scaled_product(0.1, 70)
    assert small.spec.source.options["customers"] == 500
    assert small.spec.source.options["terminals"] == 1000
    first, end = covered(small)
    assert (end - first).days == 70
    assert small.spec.tuning.timeout_seconds == UNLIMITED_SECONDS
    kept = {
        name: getattr(whole.spec, name)
        for name in type(whole.spec).model_fields
        if name not in {"source", "time", "tuning"}
    }
    assert {name: getattr(small.spec, name) for name in kept} == kept
    assert replace(small, spec=whole.spec) == whole
    assert scaled_product(1.0, 183).spec.source == whole.spec.source


@pytest.mark.rehearsal
def test_script_and_jobs_make_the_same_model_estimates_and_verdicts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["pipeline", "--repeats=1", "--scale=0.02", "--days=70"])
    main()
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(answer) >= {"overhead_ratio", "overhead_seconds", "spread"}
    assert answer["transactions"] > 10_000
    assert answer["overhead_ratio"] == pytest.approx(answer["dagster_seconds"] / answer["script_seconds"])
    assert len(answer["same_model_digest"]) == 64
