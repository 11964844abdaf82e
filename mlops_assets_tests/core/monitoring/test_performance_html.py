"""Evidently's report of a window of outcomes: the decisions as they were served."""

from pathlib import Path

import numpy as np
import polars as pl

from mlops_assets.core.monitoring.performance import (
    PerformanceReport,
    ReferenceMetric,
    performance_report,
)
from mlops_assets.core.product_spec import Evaluation, Monitoring

EVALUATION = Evaluation(bootstrap_samples=200)
MONITORING = Monitoring(performance_drop=0.05)


def _outcomes(rows: int, *, seed: int = 0, noise: float = 0.0) -> pl.DataFrame:
    """Calibrated scores; noise replaces that share of them by another row's."""
    rng = np.random.default_rng(seed)
    score = rng.beta(0.5, 2, rows)
    label = (rng.random(rows) < score).astype(np.int8)
    score = np.where(rng.random(rows) < noise, rng.permutation(score), score)
    return pl.DataFrame(
        {"is_fraud": label, "score": score, "decision": score > 0.5, "customer_id": np.arange(rows) % 50}
    )


def _report(
    outcomes: pl.DataFrame, *, reference: float, evaluation: Evaluation = EVALUATION, html: Path | None = None
) -> PerformanceReport:
    return performance_report(
        outcomes,
        label="is_fraud",
        score="score",
        evaluation=evaluation,
        monitoring=MONITORING,
        champion_reference={
            evaluation.primary_metric: ReferenceMetric(reference, reference - 0.01, reference + 0.01)
        },
        seed=0,
        html=html,
    )


def test_evidently_draws_the_decisions_as_they_were_served(tmp_path: Path):
    path = tmp_path / "performance" / "2018-08-01.html"
    outcomes = _outcomes(600).with_columns(decision=pl.col("score") > 0.05)
    report = _report(outcomes, reference=0.8, html=path)
    assert report.html == path
    text = path.read_text()
    flagged = outcomes.filter("decision")["is_fraud"]
    assert "Confusion Matrix" in text
    assert f"{flagged.mean():.3f}" in text


def test_one_class_or_no_rows_write_no_report(tmp_path: Path):
    path = tmp_path / "report.html"
    assert _report(_outcomes(300).with_columns(is_fraud=pl.lit(0)), reference=0.8, html=path).html is None
    assert _report(_outcomes(0), reference=0.8, html=path).html is None
    assert not path.exists()
