"""Evidently's page of a window's drift: the numbers of the verdict, and how each column is distributed."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from mlops_assets.core.errors import MonitoringError
from mlops_assets.core.monitoring.drift.column import ColumnDrift
from mlops_assets.core.monitoring.drift.report import DriftReport
from mlops_assets.core.monitoring.evidently_page import save_page

if TYPE_CHECKING:
    from evidently.core.metric_types import Metric

_CHANCE = 4.0
"""Standard errors by which the mean of a sample may differ from that of all rows."""
_ROUNDING = 0.02
"""Share of a mean by which rounded profiles may differ from the rows."""


def write_drift_html(
    report: DriftReport,
    reference: pl.DataFrame,
    current: pl.DataFrame,
    *,
    maximum_rows: int,
    seed: int,
    path: Path,
) -> Path | None:
    """Write the page of a report, replacing an earlier one in one step; return its path, None where nothing compares.

    Columns with values on both sides are shown, the score first, then by consequence. The verdict's numbers are the
    report's own and of all rows; the pictures are of a sample. A mean of the sample that is further from that of all
    rows than chance and rounding take it is a warning on the page.

    report: what was decided. reference, current: rows of both sides, numeric. maximum_rows, seed: of the sample of each
    side. path: of the page.
    """
    columns = [column for column in report.columns if column.psi is not None]
    if not columns:
        return None
    from evidently import DataDefinition, Dataset, Report

    names = [column.column for column in columns]
    definition = DataDefinition(numerical_columns=names)
    page = Report(list(_metrics(report, columns)), include_tests=False)
    drawn, compared = (
        shown_rows(frame, names, side=side, maximum_rows=maximum_rows, seed=seed)
        for frame, side in ((current, "current window"), (reference, "reference"))
    )
    window, history = (
        Dataset.from_pandas(rows.to_pandas(), data_definition=definition) for rows in (drawn, compared)
    )
    snapshot = page.run(window, history)
    return save_page(snapshot, path, _differences(snapshot.dict(), columns, drawn))


def _differences(snapshot: dict, columns: Sequence[ColumnDrift], drawn: pl.DataFrame) -> list[str]:
    """Say which means of the window, as Evidently shows them, are not those that the verdict knows."""
    shown = {metric["metric_name"]: metric["value"] for metric in snapshot["metrics"]}
    told = []
    for column in columns:
        theirs = shown.get(f"MeanValue(column={column.column})")
        if theirs is None or column.mean_current is None:
            continue
        values = drawn[column.column].drop_nulls()
        spread = float(values.std() or 0.0)  # pyright: ignore[reportArgumentType]
        size = float(values.abs().mean() or 0.0)  # pyright: ignore[reportArgumentType]
        allowed = _CHANCE * spread / max(len(values), 1) ** 0.5 + _ROUNDING * size
        if abs(theirs - column.mean_current) > allowed:
            told.append(
                f"{column.column}: Evidently shows a mean of {theirs:.4g} for the window, the verdict is about rows "
                f"with a mean of {column.mean_current:.4g}"
            )
    return told


def shown_rows(
    frame: pl.DataFrame, names: Sequence[str], *, side: str, maximum_rows: int, seed: int
) -> pl.DataFrame:
    """Return the named columns as Float64 with missing values as nulls, of at most `maximum_rows` rows, seeded.

    frame, names: the rows and the columns of them. side: what a message calls the frame. seed: of the sample.

    Raises: MonitoringError for a missing or non-numeric column of that side.
    """
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise MonitoringError(
            f"drift: the {side} has no column {', '.join(missing)}; join the features first"
        )
    wrong = [
        name
        for name in names
        if not (frame.schema[name].is_numeric() or frame.schema[name] in (pl.Boolean, pl.Null))
    ]
    if wrong:
        types = ", ".join(f"{name} ({frame.schema[name]})" for name in wrong)
        raise MonitoringError(
            f"drift: the {side} has columns that are no numbers: {types}; code categories in the view"
        )
    values = frame.select(pl.col(list(names)).cast(pl.Float64))
    finite = values.with_columns(pl.when(pl.all().is_finite()).then(pl.all()))
    return finite.sample(maximum_rows, seed=seed) if finite.height > maximum_rows else finite


def _metrics(report: DriftReport, columns: list[ColumnDrift]) -> "Iterator[Metric]":
    from evidently.metrics import MeanValue
    from evidently.tests import lte

    from mlops_assets.core.monitoring.verdict_number import VerdictNumber

    drifted = sum(column.verdict == "drift" for column in report.columns)
    title = f"Columns that drifted. The window's verdict: {report.verdict}, {report.reason}"
    yield VerdictNumber(title=title, number=drifted, tests=[lte(0)])
    ranked = sorted(
        columns, key=lambda column: (column.role != "score", -(report.consequence(column) or 0.0))
    )
    for column in ranked:
        for part in column.parts:
            words = {
                "values": "rows that moved",
                "missing": "missing rows that moved",
                "rest": "others that moved",
            }
            tests = [] if part.limit is None else [lte(part.limit)]
            yield VerdictNumber(
                title=f"{column.column}: share of {words[part.part]}", number=part.moved, tests=tests
            )
        yield MeanValue(column=column.column, tests=[])
