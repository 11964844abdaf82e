"""Performance verdicts on windows whose quality is known."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from mlops_assets.core.errors import MonitoringError
from mlops_assets.core.monitoring.decline.evidence import Evidence
from mlops_assets.core.monitoring.performance import (
    PerformanceReport,
    ReferenceMetric,
    WindowMetric,
    performance_report,
)
from mlops_assets.core.product_spec import Evaluation, Monitoring

EVALUATION = Evaluation(bootstrap_samples=200)
BRIER = Evaluation(bootstrap_samples=200, primary_metric="brier")
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
    outcomes: pl.DataFrame,
    *,
    reference: float,
    evaluation: Evaluation = EVALUATION,
    evidence: Evidence | None = None,
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
        evidence=evidence,
    )


def _metric(report: PerformanceReport, name: str) -> WindowMetric:
    return next(metric for metric in report.metrics if metric.metric == name)


def test_the_metrics_are_scikit_learns():
    outcomes = _outcomes(1500)
    report = _report(outcomes, reference=0.8)
    label, score = outcomes["is_fraud"].to_numpy(), outcomes["score"].to_numpy()
    assert _metric(report, "auc").value == pytest.approx(roc_auc_score(label, score))
    assert _metric(report, "average_precision").value == pytest.approx(average_precision_score(label, score))
    assert _metric(report, "brier").value == pytest.approx(brier_score_loss(label, score))
    assert (report.rows, report.positives) == (1500, int(label.sum()))
    assert report.metrics[0].metric == "auc"


def test_a_window_at_the_champions_level_is_stable():
    outcomes = _outcomes(4000)
    level = float(roc_auc_score(outcomes["is_fraud"], outcomes["score"]))
    report = _report(outcomes, reference=level)
    assert report.verdict == "stable"
    assert report.metrics[0].limit == pytest.approx(level - 0.05)


def test_a_window_whose_whole_interval_lies_below_the_limit_is_degraded():
    report = _report(_outcomes(4000, noise=0.5), reference=0.84)
    assert report.verdict == "degraded"
    high, limit = report.metrics[0].high, report.metrics[0].limit
    assert high is not None
    assert limit is not None
    assert high < limit
    assert "the champion's test value 0.840, limit 0.790" in report.reason


def test_a_small_window_that_only_seems_worse_is_not_degraded():
    outcomes = _outcomes(220, seed=3)
    report = _report(outcomes, reference=float(roc_auc_score(outcomes["is_fraud"], outcomes["score"])) + 0.06)
    value, limit = report.metrics[0].value, report.metrics[0].limit
    assert value is not None
    assert limit is not None
    assert value < limit
    assert report.verdict == "inconclusive"
    assert "the limit lies inside the interval" in report.reason


def _evidence(*, is_found: bool) -> Evidence:
    return Evidence(
        evidence=200.0,
        threshold=130.0,
        since=date(2024, 3, 1),
        value=0.76,
        decline=0.04,
        blocks=9,
        is_found=is_found,
    )


def test_a_decline_that_all_windows_prove_together_is_degraded_though_this_window_does_not():
    outcomes = _outcomes(4000)
    level = float(roc_auc_score(outcomes["is_fraud"], outcomes["score"]))
    report = _report(outcomes, reference=level, evidence=_evidence(is_found=True))
    assert report.verdict == "degraded"
    assert "since 2024-03-01 it has been 0.760, 0.040 worse" in report.reason
    assert "9 disjoint blocks" in report.reason


def test_evidence_that_is_not_enough_is_told_where_the_window_cannot_tell():
    outcomes = _outcomes(220, seed=3)
    level = float(roc_auc_score(outcomes["is_fraud"], outcomes["score"]))
    report = _report(outcomes, reference=level + 0.06, evidence=_evidence(is_found=False))
    assert report.verdict == "inconclusive"
    assert "evidence of a decline 200 over 9 disjoint blocks, 130 is enough" in report.reason


def test_a_lower_is_better_metric_degrades_upwards():
    good = _report(_outcomes(4000), reference=0.12, evaluation=BRIER)
    bad = _report(_outcomes(4000, noise=0.9), reference=0.12, evaluation=BRIER)
    assert good.metrics[0].metric == "brier"
    assert good.verdict == "stable"
    assert bad.verdict == "degraded"


@pytest.mark.parametrize(
    ("outcomes", "reason"),
    [
        (_outcomes(0), "no outcome of this window is known yet"),
        (_outcomes(49), "49 known outcomes, 50 are needed"),
        (_outcomes(500).with_columns(is_fraud=pl.lit(0)), "0 positive outcomes, 20 of each class"),
        (_outcomes(500).with_columns(is_fraud=pl.lit(1)), "0 negative outcomes, 20 of each class"),
        (
            _outcomes(500).with_columns(is_fraud=(pl.int_range(pl.len()) < 19).cast(pl.Int8)),
            "19 positive outcomes",
        ),
    ],
)
def test_a_window_that_cannot_tell_is_inconclusive_and_says_why(outcomes: pl.DataFrame, reason: str):
    report = _report(outcomes, reference=0.99)
    assert report.verdict == "inconclusive"
    assert reason in report.reason


def test_rows_of_one_group_are_resampled_together():
    outcomes = pl.concat([_outcomes(300)] * 10).with_columns(customer_id=pl.int_range(pl.len()) % 300)
    rows = _report(outcomes, reference=0.8)
    groups = _report(
        outcomes, reference=0.8, evaluation=Evaluation(bootstrap_samples=200, group_column="customer_id")
    )
    width = [
        m.high - m.low
        for m in (rows.metrics[0], groups.metrics[0])
        if m.high is not None and m.low is not None
    ]
    assert width[1] > 2 * width[0]


def test_the_same_seed_gives_the_same_report():
    assert _report(_outcomes(500), reference=0.8) == _report(_outcomes(500), reference=0.8)


def test_the_frame_shows_the_reference_beside_the_window():
    row = _report(_outcomes(500), reference=0.8).to_frame().row(0, named=True)
    assert row["metric"] == "auc"
    assert (row["reference_value"], row["reference_low"]) == (0.8, pytest.approx(0.79))


@pytest.mark.parametrize(
    ("outcomes", "message"),
    [
        (_outcomes(300).drop("decision"), "have no column decision"),
        (
            _outcomes(300).with_columns(score=pl.lit(None, pl.Float64)),
            "300 of 300 outcomes have a null score",
        ),
        (_outcomes(300).with_columns(is_fraud=pl.lit(2)), "labels are not 0 or 1, for example 2"),
    ],
)
def test_wrong_outcomes_are_named(outcomes: pl.DataFrame, message: str):
    with pytest.raises(MonitoringError, match=message):
        _report(outcomes, reference=0.8)


def test_a_champion_without_the_primary_metric_is_an_error():
    with pytest.raises(MonitoringError, match="no test value of auc, only of brier"):
        performance_report(
            _outcomes(300), label="is_fraud", score="score", evaluation=EVALUATION, monitoring=MONITORING,
            champion_reference={"brier": ReferenceMetric(0.1)}, seed=0,
        )  # fmt: skip
