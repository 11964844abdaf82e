"""Train, validation and test rows of a training set: windows in time, or seeded and stratified for a cohort."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from mlops_assets.core.errors import TrainingError
from mlops_assets.core.product_spec import StratifiedSplit, TimeSplit

SPLITS = ("train", "validation", "test")
EVENT_TIMESTAMP = "event_timestamp"


def split_windows(*, as_of: datetime, split: TimeSplit) -> dict[str, tuple[datetime, datetime]]:
    """Return [start, end) by split: train, gap, validation, gap, test, gap, as-of time, oldest first.

    The gaps are `gap_days` long: when that is at least the label delay, every outcome of a split was known
    when the next one began, and those of the test rows are known at `as_of`.

    Raises: TrainingError when `as_of` has no time zone.
    """
    if as_of.tzinfo is None:
        raise TrainingError(f"as_of {as_of.isoformat()} has no time zone; give UTC")
    gap = timedelta(days=split.gap_days)
    windows: dict[str, tuple[datetime, datetime]] = {}
    end = as_of - gap
    lengths = {"train": split.train_days, "validation": split.validation_days, "test": split.test_days}
    for name in reversed(SPLITS):
        start = end - timedelta(days=lengths[name])
        windows[name] = (start, end)
        end = start - gap
    return {name: windows[name] for name in SPLITS}


def assign_time_split(
    frame: pl.DataFrame, *, as_of: datetime, split: TimeSplit, label: str | None = None
) -> pl.DataFrame:
    """Add the column `split` by `event_timestamp` and drop rows outside the windows; row order is kept.

    With `label`, both classes must be present in each split; rows with a null label do not count as either.

    Raises: TrainingError for a split without rows or with one class, with the window and counts.
    """
    windows = split_windows(as_of=as_of, split=split)
    timestamp = pl.col(EVENT_TIMESTAMP)
    name_of_row = pl.coalesce(
        pl.when((timestamp >= start) & (timestamp < end)).then(pl.lit(name))
        for name, (start, end) in windows.items()
    )
    assigned = frame.with_columns(split=name_of_row).filter(pl.col("split").is_not_null())
    where = {
        name: f"window [{start.isoformat()}, {end.isoformat()})" for name, (start, end) in windows.items()
    }
    _check_splits(assigned, label=label, where=where, given=_time_range(frame))
    return assigned


def assign_stratified_split(
    frame: pl.DataFrame, *, id_column: str, label: str, split: StratifiedSplit
) -> pl.DataFrame:
    """Add the column `split`, seeded, so that each split has the same share of outcomes; row order is kept.

    Within an outcome, rows are ranked by a hash of seed and id and cut by share: the order of rows does not
    matter, and a few rows more or less leave nearly all others where they were.

    Raises: TrainingError for a null or repeated id, a null label, or a split without rows or with one class.
    """
    _check_ids(frame, id_column=id_column, label=label)
    if frame.is_empty():
        raise TrainingError("nothing to split: the frame has no rows")
    ranks = pl.Series([_rank(value, seed=split.seed) for value in frame.get_column(id_column)])
    ranked = frame.select(id_column, label).with_columns(rank=ranks).sort("rank")
    drawn = [
        rows.select(id_column, split=_names_by_share(rows.height, split))
        for rows in ranked.partition_by(label, maintain_order=True)
    ]
    assigned = frame.join(pl.concat(drawn), on=id_column, how="left", maintain_order="left")
    shares = {name: f"share {getattr(split, f'{name}_share'):g}" for name in SPLITS}
    _check_splits(assigned, label=label, where=shares, given=f"{frame.height} rows")
    return assigned


def _names_by_share(rows: int, split: StratifiedSplit) -> pl.Series:
    # Cumulative rounding: each boundary is off by at most half a row, and the counts sum to `rows`.
    train_end = round(rows * split.train_share)
    validation_end = round(rows * (split.train_share + split.validation_share))
    counts = (train_end, validation_end - train_end, rows - validation_end)
    return pl.Series(np.repeat(np.array(SPLITS, dtype=object), counts), dtype=pl.String)


def _rank(value: object, *, seed: int) -> bytes:
    # Not Python's or Polars' hash: those may change between processes and versions.
    return hashlib.blake2b(f"{seed}:{value}".encode(), digest_size=16).digest()


def _check_ids(frame: pl.DataFrame, *, id_column: str, label: str) -> None:
    for column in (id_column, label):
        nulls = frame.get_column(column).null_count()
        if nulls:
            raise TrainingError(
                f"{column} is null in {nulls} of {frame.height} rows; a split needs it in each"
            )
    repeated = frame.height - frame.get_column(id_column).n_unique()
    if repeated:
        example = frame.filter(pl.col(id_column).is_duplicated()).get_column(id_column)[0]
        raise TrainingError(f"{id_column} is repeated in {repeated} rows, for example {example}")


def _check_splits(frame: pl.DataFrame, *, label: str | None, where: Mapping[str, str], given: str) -> None:
    counts = dict(frame.group_by("split").len().iter_rows())
    found = ", ".join(f"{name} {counts.get(name, 0)} rows ({where[name]})" for name in SPLITS)
    for name in SPLITS:
        if not counts.get(name):
            raise TrainingError(f"split {name} is empty: {found}; given were {given}")
        if label is None:
            continue
        outcomes = frame.filter(pl.col("split") == name).get_column(label).drop_nulls()
        if outcomes.n_unique() < 2:
            only = f"{label} = {outcomes[0]} in all of them" if len(outcomes) else f"no {label} is known"
            raise TrainingError(f"split {name} has one class only, {only}: {found}; given were {given}")


def _time_range(frame: pl.DataFrame) -> str:
    if frame.is_empty():
        return "no rows"
    first, last = frame.select(pl.min(EVENT_TIMESTAMP), last=pl.max(EVENT_TIMESTAMP)).row(0)
    return f"{frame.height} rows from {first} to {last}"
