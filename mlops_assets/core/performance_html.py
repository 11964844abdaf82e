"""Evidently's classification report of a window of outcomes.

What must not live here: verdicts and intervals, see performance.py.
"""

import warnings
from pathlib import Path

import polars as pl

from mlops_assets.core.reports import write_atomically


def write_performance_html(outcomes: pl.DataFrame, *, label: str, score: str, path: Path) -> Path:
    """Write the report of outcomes that hold both classes and return its path.

    outcomes: label (0/1), score (probability) and `decision`. Quality is that of the decisions as they were
    served, not of a threshold chosen afterwards.
    """
    from evidently import BinaryClassification, DataDefinition, Dataset, Report
    from evidently.presets import ClassificationPreset

    roles = BinaryClassification(target=label, prediction_probas=score, prediction_labels="decision")
    frame = outcomes.select(
        pl.col(label).cast(pl.Int64), pl.col(score).cast(pl.Float64), pl.col("decision").cast(pl.Int64)
    )
    data = Dataset.from_pandas(frame.to_pandas(), data_definition=DataDefinition(classification=[roles]))
    with warnings.catch_warnings():
        # A window in which nothing was flagged has no precision: shown as 0 there, null in our own table.
        warnings.filterwarnings("ignore", message="Precision is ill-defined")
        snapshot = Report([ClassificationPreset()], include_tests=False).run(data, None)
    return write_atomically(path, lambda partial: snapshot.save_html(str(partial)))
