"""Evidently's report of a window of outcomes: the decisions as they were served."""

from pathlib import Path

import numpy as np
import polars as pl

from mlops_assets.core.monitoring.performance_html import write_performance_html
from mlops_assets.core.product_spec import Monitoring

MONITORING = Monitoring()


def _outcomes(rows: int, *, seed: int = 0, noise: float = 0.0) -> pl.DataFrame:
    """Calibrated scores; noise replaces that share of them by another row's."""
    rng = np.random.default_rng(seed)
    score = rng.beta(0.5, 2, rows)
    label = (rng.random(rows) < score).astype(np.int8)
    score = np.where(rng.random(rows) < noise, rng.permutation(score), score)
    return pl.DataFrame(
        {"is_fraud": label, "score": score, "decision": score > 0.5, "customer_id": np.arange(rows) % 50}
    )


def written(outcomes: pl.DataFrame, path: Path, monitoring: Monitoring = MONITORING) -> Path | None:
    return write_performance_html(
        outcomes,
        label="is_fraud",
        score="score",
        verdict="inconclusive, too few outcomes",
        monitoring=monitoring,
        seed=0,
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


def test_of_many_outcomes_a_sample_is_drawn(tmp_path: Path):
    few = MONITORING.model_copy(update={"maximum_rows": 200})
    outcomes = _outcomes(600).with_columns(decision=pl.col("score") > 0.05)
    page = written(outcomes, tmp_path / "report.html", few)
    flagged = outcomes.sample(200, seed=0).filter("decision")["is_fraud"]
    assert page is not None
    assert f"{flagged.mean():.3f}" in page.read_text()


def test_one_class_or_no_rows_write_no_report(tmp_path: Path):
    path = tmp_path / "report.html"
    assert written(_outcomes(300).with_columns(is_fraud=pl.lit(0)), path) is None
    assert written(_outcomes(0), path) is None
    assert list(tmp_path.iterdir()) == []
