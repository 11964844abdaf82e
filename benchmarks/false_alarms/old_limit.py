"""The limit of before: a population stability index of 0.2, the convention in credit scoring."""

import numpy as np
import polars as pl

from mlops_assets.core.monitoring.drift.bins import bins_of
from mlops_assets.core.monitoring.profile import ColumnProfile, profile_column

LIMIT = 0.2
"""Above it a shift counts as large (Siddiqi 2006)."""
SHARE = 0.3
"""Share of drifted columns above which a window alarmed."""
DECILES = 10


def index(reference: ColumnProfile, current: ColumnProfile, *, is_category: bool) -> float:
    """Return the population stability index over deciles of the reference, of values and of missing against present."""
    indices = [
        _divergence(
            np.array([reference.missing, reference.present]), np.array([current.missing, current.present])
        )
    ]
    if reference.present and current.present:
        bins = bins_of(reference, is_category=is_category, most=DECILES)
        indices.append(_divergence(bins.counts(reference), bins.counts(current)))
    return max(indices)


def _divergence(reference: np.ndarray, current: np.ndarray) -> float:
    r, c = reference + 0.5, current + 0.5
    r, c = r / r.sum(), c / c.sum()
    return float(((r - c) * np.log(r / c)).sum())


def evidently_drifted(
    reference: pl.DataFrame, current: pl.DataFrame, categories: frozenset[str]
) -> tuple[int, int]:
    """Return how many columns Evidently's default preset says drifted, and of how many."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    numbers = [name for name in reference.columns if name not in categories]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=sorted(categories))
    shown, compared = (
        Dataset.from_pandas(
            frame.with_columns(pl.col(sorted(categories)).cast(pl.String)).to_pandas(),
            data_definition=definition,
        )
        for frame in (current, reference)
    )
    snapshot = Report([DataDriftPreset()]).run(shown, compared)
    for metric in snapshot.dict()["metrics"]:
        if "DriftedColumnsCount" in str(metric.get("metric_name", metric.get("metric_id", ""))):
            return int(metric["value"]["count"]), len(reference.columns)
    raise SystemExit("Evidently's preset no longer counts drifted columns")


def profiled(values: np.ndarray, *, is_category: bool) -> ColumnProfile:
    """Profile a column given as numbers."""
    return profile_column(pl.Series(values), is_category=is_category)
