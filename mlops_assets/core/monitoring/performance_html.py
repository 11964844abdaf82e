"""Evidently's classification report of a window of outcomes."""

import warnings
from pathlib import Path

import polars as pl

from mlops_assets.core.monitoring.evidently_page import save_page


def write_performance_html(
    outcomes: pl.DataFrame,
    *,
    label: str,
    score: str,
    verdict: str,
    path: Path,
) -> Path | None:
    """Write the page of outcomes, replacing an earlier one in one step; return its path, None where a class is missing.

    All outcomes are measured, as in the table: what a page holds does not grow with them.

    outcomes: label (0/1), score (probability) and `decision`. Accuracy, precision, recall and the confusion
    matrix are those of the decisions as they were served; the ROC curve and the log loss are the score's.
    Evidently, given both, cuts the score at 0.5 and ignores the decisions, so each has a classification of
    its own.

    verdict: on the window, with its reason; it stands above all numbers. A recall that is not that of the decisions
    is a warning on the page.
    """
    if outcomes[label].n_unique() < 2:
        return None
    from evidently import BinaryClassification, DataDefinition, Dataset, Report
    from evidently.metrics import LogLoss, RocAuc
    from evidently.presets import ClassificationQuality

    from mlops_assets.core.monitoring.verdict_number import VerdictNumber

    decisions = BinaryClassification(name="decision", target=label, prediction_labels="decision")
    scores = BinaryClassification(name="score", target=label, prediction_probas=score)
    frame = outcomes.select(
        pl.col(label).cast(pl.Int64), pl.col(score).cast(pl.Float64), pl.col("decision").cast(pl.Int64)
    )
    definition = DataDefinition(classification=[decisions, scores])
    metrics = [
        VerdictNumber(
            title=f"Outcomes in the window. The window's verdict: {verdict}", number=outcomes.height, tests=[]
        ),
        ClassificationQuality(classification_name="decision", conf_matrix=True),
        RocAuc(classification_name="score"),
        LogLoss(classification_name="score"),
    ]
    with warnings.catch_warnings():
        # A window in which nothing was flagged has no precision: shown as 0 there, null in our own table.
        warnings.filterwarnings("ignore", message="Precision is ill-defined")
        data = Dataset.from_pandas(frame.to_pandas(), data_definition=definition)
        snapshot = Report(metrics, include_tests=False).run(data, None)
    return save_page(snapshot, path, _differences(snapshot.dict(), frame, label=label))


def _differences(snapshot: dict, frame: pl.DataFrame, *, label: str) -> list[str]:
    """Say where Evidently's recall is not that of the served decisions."""
    served = float(frame.filter(pl.col(label) == 1)["decision"].to_numpy().mean())
    shown = [
        float(metric["value"])
        for metric in snapshot["metrics"]
        if metric["metric_name"].startswith("Recall(classification_name=decision,")
    ]
    if not shown:
        return [f"Evidently shows no recall of the decisions; that of the served ones is {served:.4g}"]
    if abs(shown[0] - served) <= 1e-9:
        return []
    return [f"Evidently shows a recall of {shown[0]:.4g}, the decisions that were served have {served:.4g}"]
