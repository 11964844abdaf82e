"""Evidently's page of a window's drift: the numbers of the verdict, and how each column is distributed."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from mlops_assets.core.files import replace_file
from mlops_assets.core.monitoring.drift import ColumnDrift, DriftReport, seen_rows
from mlops_assets.core.product_spec import Monitoring

if TYPE_CHECKING:
    from evidently.core.metric_types import Metric


def write_drift_html(
    report: DriftReport,
    reference: pl.DataFrame,
    current: pl.DataFrame,
    *,
    monitoring: Monitoring,
    seed: int,
    path: Path,
) -> Path | None:
    """Write the page of a report, replacing an earlier one in one step; return its path, None where nothing compares.

    reference, current: the frames that the report was made from; `monitoring` and `seed` as there, so that the same
    rows are drawn. Columns with values on both sides are shown, the score first, then the largest index first. The
    indices are the report's own: Evidently's `psi` cuts the joint range into equal widths, which puts nearly all rows
    of a skewed column into one bin.
    """
    columns = [column for column in report.columns if column.psi is not None]
    if not columns:
        return None
    from evidently import DataDefinition, Dataset, Report

    names = [column.column for column in columns]
    definition = DataDefinition(numerical_columns=names)
    page = Report(list(_metrics(report, columns, drift_share=monitoring.drift_share)), include_tests=False)
    shown, compared = (
        Dataset.from_pandas(
            seen_rows(frame, names, side=side, monitoring=monitoring, seed=seed).to_pandas(),
            data_definition=definition,
        )
        for frame, side in ((current, "current window"), (reference, "reference"))
    )
    snapshot = page.run(shown, compared)
    return replace_file(path, lambda partial: snapshot.save_html(str(partial)))


def _metrics(report: DriftReport, columns: list[ColumnDrift], *, drift_share: float) -> "Iterator[Metric]":
    from evidently.metrics import MeanValue
    from evidently.tests import lte

    from mlops_assets.core.monitoring.verdict_number import VerdictNumber

    def number(title: str, value: float, limit: float) -> VerdictNumber:
        return VerdictNumber(title=title, number=value, tests=[lte(limit)])

    if report.drifted_share is not None:
        title = f"Share of features that drifted. The window's verdict: {report.verdict}, {report.reason}"
        yield number(title, report.drifted_share, drift_share)
    for column in sorted(columns, key=lambda column: (column.role != "score", -(column.psi or 0.0))):
        name = column.column
        bins = "category by category" if column.is_category else "deciles of the reference"
        yield number(f"{name}: PSI ({bins})", column.psi or 0.0, column.threshold)
        if column.missing_psi:
            yield number(f"{name}: PSI of missing against present", column.missing_psi, column.threshold)
        yield MeanValue(column=name, tests=[])
