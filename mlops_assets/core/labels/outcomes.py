"""Predictions joined with the outcomes that were known at a time."""

from datetime import datetime, timedelta

import polars as pl

from mlops_assets.core.errors import MonitoringError
from mlops_assets.core.times import KNOWN_AT

KNOWN_DATE = "known_date"
PREDICTION_ID = "prediction_id"


def newest_labels(
    labels: pl.DataFrame, *, id_column: str, label: str, as_of: datetime | None
) -> pl.DataFrame:
    """Keep the newest version of each label that was known at `as_of`.

    One row per id: id, label, and `known_at` where the labels carry it. A label is known at `as_of` when
    its `known_at` is at or before it; a later correction is not seen. `as_of=None` sees every version. Rows
    that repeat another row exactly count once.

    Raises: MonitoringError for a missing column, a null label, a naive `as_of`, an `as_of` on labels without
    `known_at`, or two different labels of one id known at the same instant.
    """
    has_times = KNOWN_AT in labels.columns
    columns = [id_column, label, KNOWN_AT] if has_times else [id_column, label]
    _require(labels, columns, "labels")
    _check_as_of(as_of, has_times=has_times)
    versions = labels.select(columns).unique()
    if as_of is not None:
        versions = versions.filter((pl.col(KNOWN_AT) <= as_of) | pl.col(KNOWN_AT).is_null())
    _check_versions(versions, id_column=id_column, label=label)
    if not has_times:
        return versions.sort(id_column)
    return versions.sort(id_column, KNOWN_AT).unique(subset=id_column, keep="last", maintain_order=True)


def join_outcomes(
    predictions: pl.DataFrame, labels: pl.DataFrame, *, id_column: str, label: str, as_of: datetime | None
) -> pl.DataFrame:
    """Join each prediction with the newest label that was known at `as_of`.

    One row per prediction whose outcome was known, sorted by `prediction_id`: the predictions' columns, the
    label and, where the labels carry it, `known_at` and `known_date` (its UTC day). Predictions without a
    known outcome are left out. Several predictions of one id (versions, arms) each get the label. Adding
    labels that became known after `as_of` changes nothing.

    id_column: the event's id, in both frames.

    Raises: MonitoringError as `newest_labels`, and for predictions that repeat a `prediction_id` or already
    carry the label.
    """
    _check_predictions(predictions, id_column=id_column, label=label)
    return _joined(predictions, labels, id_column=id_column, label=label, as_of=as_of)


def join_daily_outcomes(
    predictions: pl.DataFrame, labels: pl.DataFrame, *, id_column: str, label: str
) -> pl.DataFrame:
    """Join each prediction with the newest label of each day on which one became known.

    One row per prediction and `known_date`, sorted by both: what a table partitioned by `known_date` holds. A
    label corrected on a later day leaves both days' rows, so a day's rows are the same whether the days are
    joined one by one or many at once, and `newest_outcomes` can tell what was known at any day's end.

    Raises: MonitoringError as `join_outcomes`, and for labels without `known_at`.
    """
    _require(labels, [id_column, label, KNOWN_AT], "labels")
    _check_predictions(predictions, id_column=id_column, label=label)
    days = labels.get_column(KNOWN_AT).dt.date()
    joined = [
        _joined(predictions, part, id_column=id_column, label=label, as_of=None)
        for part in (labels.with_columns(days.alias(KNOWN_DATE)).partition_by(KNOWN_DATE) or [labels])
    ]
    return pl.concat(joined).sort(PREDICTION_ID, KNOWN_DATE)


def newest_outcomes(
    outcomes: pl.DataFrame, *, as_of: datetime | None, is_sorted: bool = False
) -> pl.DataFrame:
    """Keep the newest version of each outcome that was known at `as_of`, sorted by `prediction_id`.

    Outcomes are stored by the day on which they became known, so a corrected label leaves one row per
    version; a window of outcomes is read through this function. `is_sorted`: `by_knowledge` was here before.

    Raises: MonitoringError for outcomes without `prediction_id` or `known_at`, or a naive `as_of`.
    """
    _require(outcomes, [PREDICTION_ID, KNOWN_AT], "outcomes")
    _check_as_of(as_of, has_times=True)
    known = outcomes if as_of is None else outcomes.filter(pl.col(KNOWN_AT) <= as_of)
    ordered = known if is_sorted else by_knowledge(known)
    return ordered.unique(subset=PREDICTION_ID, keep="last", maintain_order=True)


def by_knowledge(outcomes: pl.DataFrame) -> pl.DataFrame:
    """Sort versions of outcomes by `prediction_id` and the time at which each became known."""
    return outcomes.sort(PREDICTION_ID, KNOWN_AT)


def _joined(
    predictions: pl.DataFrame, labels: pl.DataFrame, *, id_column: str, label: str, as_of: datetime | None
) -> pl.DataFrame:
    known = newest_labels(labels, id_column=id_column, label=label, as_of=as_of)
    if KNOWN_AT in known.columns:
        known = known.with_columns(pl.col(KNOWN_AT).dt.date().alias(KNOWN_DATE))
    return predictions.join(known, on=id_column, how="inner").sort(PREDICTION_ID)


def _require(frame: pl.DataFrame, columns: list[str], what: str) -> None:
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise MonitoringError(
            f"{what} have no column {', '.join(missing)}; they have {', '.join(frame.columns)}"
        )


def _check_as_of(as_of: datetime | None, *, has_times: bool) -> None:
    if as_of is None:
        return
    if as_of.utcoffset() != timedelta(0):
        raise MonitoringError(f"as_of is {as_of.isoformat()}; it must be a time in UTC")
    if not has_times:
        raise MonitoringError(
            "labels have no known_at, so what was known at as_of cannot be told; pass as_of=None"
        )


def _check_versions(versions: pl.DataFrame, *, id_column: str, label: str) -> None:
    nulls = versions.filter(pl.any_horizontal(pl.all().is_null()))
    if nulls.height:
        example = nulls.row(0, named=True)
        raise MonitoringError(
            f"labels: {nulls.height} rows have a null, for example {example}; reject them at ingestion"
        )
    keys = [name for name in versions.columns if name != label]
    conflicts = versions.filter(pl.struct(keys).is_duplicated())
    if conflicts.height:
        example = conflicts.sort(keys).row(0, named=True)
        raise MonitoringError(
            f"labels: {conflicts.height} rows disagree about {label} of one {id_column} at one instant, "
            f"for example {example}; a correction needs a later known_at"
        )


def _check_predictions(predictions: pl.DataFrame, *, id_column: str, label: str) -> None:
    _require(predictions, [PREDICTION_ID, id_column], "predictions")
    carried = [name for name in (label, KNOWN_AT, KNOWN_DATE) if name in predictions.columns]
    if carried:
        raise MonitoringError(
            f"predictions already have the outcome column {', '.join(carried)}; leave it out before the join"
        )
    _check_unique_predictions(predictions)


def _check_unique_predictions(predictions: pl.DataFrame) -> None:
    repeated = predictions.filter(pl.col(PREDICTION_ID).is_duplicated())
    if repeated.height:
        example = repeated[PREDICTION_ID][0]
        raise MonitoringError(
            f"predictions: {repeated.height} rows share a prediction_id, for example {example!r}"
        )
