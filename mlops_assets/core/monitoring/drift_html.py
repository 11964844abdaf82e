"""Evidently's drift report of two frames, with the platform's own index as its drift method.

Evidently's own `psi` cuts the joint range into equal widths, which puts nearly all rows of a skewed column (amounts,
fraud scores) into one bin, and drops missing values; registering our index makes the report show the numbers that the
verdict is made of.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from mlops_assets.core.errors import MonitoringError
from mlops_assets.core.files import replace_file
from mlops_assets.core.monitoring.drift import ColumnDrift
from mlops_assets.core.monitoring.population_stability import population_stability_index

METHOD = "psi_reference_deciles"


def write_drift_html(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    *,
    columns: Sequence[ColumnDrift],
    threshold: float,
    drift_share: float,
    path: Path,
) -> Path:
    """Write the report of the given columns, which have values on both sides, and return its path.

    Raises: MonitoringError when Evidently's number of a column is not the verdict's.
    """
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift
    from evidently.presets import DataDriftPreset

    _register_method()
    names = [column.column for column in columns]
    features = [column.column for column in columns if column.role == "feature"]
    scores = [column.column for column in columns if column.role == "score"]
    definition = DataDefinition(numerical_columns=names)
    preset = DataDriftPreset(
        columns=features, num_method=METHOD, num_threshold=threshold, drift_share=drift_share
    )
    score_drift = [ValueDrift(column=name, method=METHOD, threshold=threshold) for name in scores]
    report = Report([*score_drift, preset] if features else [*score_drift], include_tests=True)
    with np.errstate(invalid="ignore"):  # its correlations of a constant column
        snapshot = report.run(
            Dataset.from_pandas(current.select(names).to_pandas(), data_definition=definition),
            Dataset.from_pandas(reference.select(names).to_pandas(), data_definition=definition),
        )
    _check_same_numbers(snapshot.dict(), columns)
    return replace_file(path, lambda partial: snapshot.save_html(str(partial)))


def _register_method() -> None:
    import pandas as pd
    from evidently.legacy.calculations.stattests import StatTest, register_stattest
    from evidently.legacy.core import ColumnType

    def compare(
        reference: pd.Series, current: pd.Series, feature_type: ColumnType, threshold: float
    ) -> tuple[float, bool]:
        index = population_stability_index(reference.to_numpy(dtype=float), current.to_numpy(dtype=float))
        return index, index > threshold

    method = StatTest(
        name=METHOD,
        display_name="PSI (deciles of the reference)",
        allowed_feature_types=[ColumnType.Numerical],
        default_threshold=0.2,
    )
    register_stattest(method, compare)


def _check_same_numbers(snapshot: dict, columns: Sequence[ColumnDrift]) -> None:
    shown = {
        metric["config"]["column"]: float(metric["value"])
        for metric in snapshot["metrics"]
        if metric["config"].get("method") == METHOD and "column" in metric["config"]
    }
    for column in columns:
        if column.psi is None or abs(shown.get(column.column, float("nan")) - column.psi) > 1e-9:
            raise MonitoringError(
                f"drift: Evidently shows {shown.get(column.column)} for {column.column}, the verdict is made "
                f"of {column.psi}; the installed Evidently treats values differently, check its version"
            )
