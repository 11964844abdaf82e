"""Evidently's classification report of a window of outcomes."""

import warnings
from pathlib import Path

import polars as pl

from mlops_assets.core.errors import MonitoringError
from mlops_assets.core.files import replace_file


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

    verdict: on the window, with its reason; it stands above all numbers.

    Raises: MonitoringError when Evidently's recall is not that of the decisions.
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
    _check_recall(snapshot.dict(), frame, label=label)
    return replace_file(path, lambda partial: snapshot.save_html(str(partial)))


def _check_recall(snapshot: dict, frame: pl.DataFrame, *, label: str) -> None:
    served = frame.filter(pl.col(label) == 1)["decision"].to_numpy().mean()
    shown = next(
        float(metric["value"])
        for metric in snapshot["metrics"]
        if metric["metric_name"].startswith("Recall(classification_name=decision,")
    )
    if abs(shown - served) > 1e-9:
        raise MonitoringError(
            f"performance: Evidently shows a recall of {shown}, the served decisions have {served}; "
            "the installed Evidently treats decisions differently, check its version"
        )
