"""The streams whose quality is estimated: both products, and two real data sets that packages ship."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from benchmarks.mortality import load_rows, product_as
from benchmarks.pipeline.workload import covered, scaled_product
from mlops_assets.core.evaluation.decision_threshold import choose_threshold
from mlops_assets.core.features.offline.executor import compute_features
from mlops_assets.core.product import Product
from mlops_assets.core.product_spec import Evaluation, Monitoring, StratifiedSplit, Training
from mlops_assets.core.training.fit import fit
from mlops_assets.core.training.splits import assign_stratified_split
from mlops_assets.core.training.training_set import build_training_set

Kind = Literal["as it came", "no shift", "covariate shift", "concept shift"]
WINDOW_ROWS = 5000
WINDOW_DAYS = Monitoring().window_days


@dataclass(frozen=True)
class Window:
    """Rows of one window in the order in which they came, all labels with them."""

    name: str
    kind: Kind
    rows: pl.DataFrame


@dataclass(frozen=True)
class World:
    """A frozen model's reference and windows: columns label, score, decision, group and features, and day if any."""

    name: str
    reference: pl.DataFrame
    windows: tuple[Window, ...]
    features: tuple[str, ...]
    evaluation: Evaluation
    monitoring: Monitoring
    is_grouped: bool
    """Whether rows of one `group` are not independent."""


def fraud(folder: Path, *, scale: float = 0.3, days: int = 155) -> World:
    """Simulated fraud: a model of the first 75 days, every second week after as windows."""
    product = scaled_product(scale, days)
    start, end = (datetime.combine(day, time_of_day(), UTC) for day in covered(product))
    events = product.read_events(cache=folder, start=start, end=end)
    labels = product.read_labels(cache=folder, start=start, end=end + timedelta(days=7))
    features = compute_features(
        product.view, events.select(product.view.input_columns), labels.select(product.view.label_columns)
    )
    as_of = start + timedelta(days=75)
    past = features.filter(pl.col("event_timestamp") < as_of)
    training_set = build_training_set(product, features=past, labels=labels, as_of=as_of)
    later = features.filter(pl.col("event_timestamp") >= as_of).join(
        labels.select("transaction_id", "is_fraud"), on="transaction_id", maintain_order="left"
    )
    customers = events.select("transaction_id", "customer_id")
    reference, stream = _scored(product, training_set, {"test": training_set, "later": later})
    reference, stream = (
        frame.join(customers, on="transaction_id", maintain_order="left")
        .rename({"customer_id": "group"})
        .with_columns(day=pl.col("event_timestamp").dt.date())
        for frame in (reference, stream.sort("event_timestamp"))
    )
    week = (stream["event_timestamp"] - as_of).dt.total_days() // 7
    parts = stream.with_columns(week=week).partition_by("week", maintain_order=True)
    windows = tuple(
        Window(f"week {number}", "as it came", part) for number, part in enumerate(parts) if number % 2 == 0
    )
    return World(
        "fraud_detection", reference, windows, tuple(product.model_features), product.spec.evaluation,
        product.spec.monitoring, is_grouped=True,
    )  # fmt: skip


def mortality(*, seed: int) -> World:
    """The SUPPORT2 cohort: a quarter as reference, a quarter as windows, one for each class of disease."""
    product = product_as(is_realigned=True)
    rows, spec = load_rows(product), product.spec
    split = StratifiedSplit(
        kind="stratified", train_share=0.4, validation_share=0.1, test_share=0.5, seed=seed
    )
    training_set = assign_stratified_split(rows, id_column="patient_id", label=spec.label.column, split=split)
    tested = _scored(product, training_set, {"test": training_set})[0]
    tested = tested.sample(fraction=1.0, shuffle=True, seed=seed).with_columns(group=pl.int_range(pl.len()))
    reference, stream = tested[: tested.height // 2], tested[tested.height // 2 :]
    parts = stream.partition_by("disease_group_code", maintain_order=True)
    windows = tuple(
        Window(f"disease {part['disease_group_code'][0]:g}", "as it came", part)
        for part in parts
        if part.height >= spec.monitoring.minimum_rows
    )
    return World(
        f"mortality_risk {seed}", reference, windows, tuple(product.model_features), spec.evaluation,
        spec.monitoring, is_grouped=False,
    )  # fmt: skip


def employment(folder: Path, *, every: int = 6) -> World:
    """Employed or not, Massachusetts: a frozen model that NannyML ships, reference 2015, 5,000 rows each until 2018.

    The rows have no date; as many as a window holds count as its days, of the reference too.
    """
    rows = pl.read_parquet(folder / "employment.parquet").rename(
        {"predicted_probability": "score", "prediction": "decision", "employed": "label"}
    )
    place = pl.int_range(pl.len()).over("period")
    rows = rows.with_columns(
        pl.col("label").cast(pl.Int8), group=pl.int_range(pl.len()), day=place * WINDOW_DAYS // WINDOW_ROWS
    )
    names = tuple(c for c in rows.columns if c.isupper())
    rows = rows.with_columns(pl.col(c).cast(pl.String).cast(pl.Float64) for c in names)
    stream = rows.filter(pl.col("period") == "analysis")
    starts = range(0, stream.height - WINDOW_ROWS, every * WINDOW_ROWS)
    windows = tuple(
        Window(f"row {start}", "as it came", stream.slice(start, WINDOW_ROWS)) for start in starts
    )
    return World(
        "employment", rows.filter(pl.col("period") == "reference"), windows, names, Evaluation(), Monitoring(),
        is_grouped=False,
    )  # fmt: skip


def flights(folder: Path, *, every: int = 4) -> World:
    """More than 15 minutes late or not: model of January and February 2013, reference March, weeks after."""
    names = ("hour", "minute", "weekday", "distance", "carrier_code", "origin_code", "dest_code")
    rows = (
        pl.read_parquet(folder / "flights.parquet")
        .filter(pl.col("arr_delay").is_not_null())
        .with_columns(
            pl.col("carrier", "origin", "dest").rank("dense").cast(pl.Float64).name.suffix("_code"),
            day=pl.date("year", "month", "day"),
            label=(pl.col("arr_delay") > 15).cast(pl.Int8),
        )
        .with_columns(weekday=pl.col("day").dt.weekday(), group=pl.col("day").dt.ordinal_day())
        .sort("day", "sched_dep_time", maintain_order=True)
    )
    split = pl.when(pl.col("group") <= 45).then(pl.lit("train")).when(pl.col("group") <= 59)
    training_set = rows.filter(pl.col("group") <= 59).with_columns(split=split.then(pl.lit("validation")))
    model = fit(
        training_set, feature_names=names, label="label",
        training=Training(metric="auc", calibration="auto", num_threads=1), parameters={},
    )  # fmt: skip
    threshold = 0.3
    later = rows.filter(pl.col("group") > 59)
    later = later.with_columns(score=model.predict(later)).with_columns(decision=pl.col("score") >= threshold)
    stream = later.filter(pl.col("month") > 3).with_columns(week=(pl.col("group") - 91) // 7)
    windows = tuple(
        Window(f"week {part['week'][0]}", "as it came", part)
        for part in stream.partition_by("week", maintain_order=True)[::every]
    )
    return World(
        "flights", later.filter(pl.col("month") == 3), windows, names, Evaluation(), Monitoring(), is_grouped=True,
    )  # fmt: skip


def planted(world: World, *, seed: int) -> World:
    """Half of the reference stays; a window of each kind is drawn from the other half.

    Covariate shift: rows are drawn with a weight exp(± one standard deviation of a random feature). Concept shift: the
    labels of 40 % of the rows change places. Groups are kept whole.
    """
    generator = np.random.default_rng(seed)
    groups = world.reference["group"].unique().sort().to_numpy()
    chosen = generator.permutation(groups)[: len(groups) // 2]
    is_pool = pl.col("group").is_in(chosen.tolist())
    pool, reference = world.reference.filter(is_pool), world.reference.filter(~is_pool)
    windows = tuple(_planted(pool, world.features, generator))
    return replace(world, name=f"{world.name}, planted {seed}", reference=reference, windows=windows)


def _planted(
    pool: pl.DataFrame, features: tuple[str, ...], generator: np.random.Generator
) -> Iterator[Window]:
    rows = min(WINDOW_ROWS, pool.height // 2)

    def drawn(weights: np.ndarray | None) -> pl.DataFrame:
        share = None if weights is None else weights / weights.sum()
        return pool[generator.choice(pool.height, size=rows, replace=False, p=share)]

    yield Window("as it is", "no shift", drawn(None))
    column = pool[str(generator.choice(features))].cast(pl.Float64).rank().to_numpy()
    lean = np.nan_to_num((column - np.nanmean(column)) / max(np.nanstd(column), 1e-9))
    yield Window("other rows", "covariate shift", drawn(np.exp(generator.choice([-1, 1]) * lean)))
    moved = drawn(None)
    labels = moved["label"].to_numpy().copy()
    mixed = np.flatnonzero(generator.random(len(labels)) < 0.4)
    labels[mixed] = labels[generator.permutation(mixed)]
    yield Window("other labels", "concept shift", moved.with_columns(label=pl.Series(labels)))


def _scored(
    product: Product, training_set: pl.DataFrame, frames: Mapping[str, pl.DataFrame]
) -> list[pl.DataFrame]:
    """Fit with the declared settings, choose the threshold on validation rows, and score; of `test` the test rows."""
    spec = product.spec
    label = spec.label.column
    model = fit(
        training_set, feature_names=product.model_features, label=label,
        training=spec.training.model_copy(update={"num_threads": 1}), parameters={},
    )  # fmt: skip
    validation = training_set.filter(pl.col("split") == "validation")
    threshold = choose_threshold(
        validation[label].to_numpy(), model.predict(validation), cost=spec.evaluation.cost
    )
    found = []
    for name, frame in frames.items():
        rows = frame.filter(pl.col("split") == "test") if name == "test" else frame
        scored = rows.with_columns(score=model.predict(rows), label=pl.col(label).cast(pl.Int8))
        found.append(scored.with_columns(decision=pl.col("score") >= threshold.value))
    return found
