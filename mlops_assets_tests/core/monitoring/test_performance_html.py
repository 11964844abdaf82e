"""Evidently's report of a window of outcomes: the decisions as they were served."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from evidently.core.report import Snapshot

from mlops_assets.core.monitoring.evidently_page import differences_in
from mlops_assets.core.monitoring.performance_html import write_performance_html


def _outcomes(rows: int, *, seed: int = 0, noise: float = 0.0) -> pl.DataFrame:
    """Calibrated scores; noise replaces that share of them by another row's."""
    rng = np.random.default_rng(seed)
    score = rng.beta(0.5, 2, rows)
    label = (rng.random(rows) < score).astype(np.int8)
    score = np.where(rng.random(rows) < noise, rng.permutation(score), score)
    return pl.DataFrame(
        {"is_fraud": label, "score": score, "decision": score > 0.5, "customer_id": np.arange(rows) % 50}
    )


def written(outcomes: pl.DataFrame, path: Path) -> Path | None:
    return write_performance_html(
        outcomes,
        label="is_fraud",
        score="score",
        verdict="inconclusive, too few outcomes",
        path=path,
    )


def test_evidently_draws_the_decisions_as_they_were_served(tmp_path: Path):
    path = tmp_path / "performance" / "2018-08-01.html"
    outcomes = _outcomes(600).with_columns(decision=pl.col("score") > 0.05)
    assert written(outcomes, path) == path
    text = path.read_text()
    flagged = outcomes.filter("decision")["is_fraud"]
    assert "Confusion Matrix" in text
    assert "verdict: inconclusive, too few outcomes" in text
    assert f"{flagged.mean():.3f}" in text


def test_of_many_outcomes_all_are_measured_and_the_page_does_not_grow(tmp_path: Path):
    outcomes = _outcomes(120_000).with_columns(decision=pl.col("score") > 0.05)
    few, all_of_them = (
        written(rows, tmp_path / f"{rows.height}.html") for rows in (outcomes.head(600), outcomes)
    )
    assert few is not None
    assert all_of_them is not None
    assert f"{outcomes.filter('decision')['is_fraud'].mean():.3f}" in all_of_them.read_text()
    assert all_of_them.stat().st_size < 1.5 * few.stat().st_size


def test_another_recall_than_that_of_the_decisions_is_a_warning_on_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    outcomes = _outcomes(600).with_columns(decision=pl.col("score") > 0.05)
    page = written(outcomes, tmp_path / "same.html")
    assert page is not None
    assert differences_in(page) == ()
    whole = Snapshot.dict

    def another(self: Snapshot) -> dict:
        shown = whole(self)
        for metric in shown["metrics"]:
            if metric["metric_name"].startswith("Recall("):
                metric["value"] = 0.25
        return shown

    monkeypatch.setattr(Snapshot, "dict", another)
    page = written(outcomes, tmp_path / "other.html")
    assert page is not None
    (told,) = differences_in(page)
    recall = outcomes.filter(pl.col("is_fraud") == 1)["decision"].mean()
    assert told == f"Evidently shows a recall of 0.25, the decisions that were served have {recall:.4g}"


def test_one_class_or_no_rows_write_no_report(tmp_path: Path):
    path = tmp_path / "report.html"
    assert written(_outcomes(300).with_columns(is_fraud=pl.lit(0)), path) is None
    assert written(_outcomes(0), path) is None
    assert list(tmp_path.iterdir()) == []
