"""Stationary products, day by day: nothing in them changes, and everything varies as it does in production."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
Day = Mapping[str, Floats]
"""Columns of a day's rows; NaN where missing."""

WEEK = 7
HISTORY_WEEKS = 22
REFERENCE_WEEKS = 9
PROMISE = 1.0
"""False alarms a quarter of all verdicts of a product."""
CATEGORY = "shop"
ROWS_AT_FULL_SIZE = 9_590
"""Transactions a day of the fraud product with all its customers."""
WARM_UP_DAYS = 38
"""The longest window of its features and the delay of its labels."""
UNSHIFTED = frozenset({CATEGORY, "flag", "hour"})
"""Columns for which a shift of so many standard deviations is not defined."""


@dataclass(frozen=True)
class World:
    """A product of a kind and a seed."""

    kind: str
    """`entities`: customers of unequal activity, a weekly season, slow entities. `fraud`: the product's simulator."""
    seed: int
    rows: int
    """A day, on average."""

    def days(self, number: int) -> Sequence[Day]:
        """Make so many days."""
        return list(_entities(self, number)) if self.kind == "entities" else _fraud(self, number)

    @property
    def categories(self) -> frozenset[str]:
        """Columns whose values are codes."""
        return frozenset({CATEGORY}) if self.kind == "entities" else frozenset()


def _entities(world: World, number: int) -> Iterator[Day]:
    """Rows of 200 customers with habits and unequal activity, and of 40 slow entities whose level wanders.

    Some columns depend on the customer, some on the slow entity, on a mood that lasts days, on the day of the week.
    """
    rng = np.random.default_rng(world.seed)
    activity, habits = rng.gamma(0.7, 1.0, 200), rng.standard_normal((4, 200))
    slow, mood = rng.standard_normal(40), 0.0
    weights = np.arange(1, 31) ** -1.0
    for day in range(number):
        rows = int(rng.poisson(world.rows * (1 + 0.3 * (day % 7 > 4))))
        active = activity * rng.gamma(2.0, 0.5, 200)
        customer = rng.choice(200, rows, p=active / active.sum())
        remains = np.exp(-1 / 45)
        slow = remains * slow + np.sqrt(1 - remains**2) * rng.standard_normal(40)
        lasts = np.exp(-1 / 5)
        mood = lasts * mood + np.sqrt(1 - lasts**2) * 0.1 * rng.standard_normal()
        noise = rng.standard_normal((8, rows))
        yield {
            "independent": noise[0],
            "of_customers": habits[0, customer] + 0.5 * noise[1],
            "amount": np.exp(1.5 * (0.7 * habits[1, customer] + 0.7 * noise[2])),
            "weekly": 0.5 * np.sin(2 * np.pi * day / 7) + noise[3],
            "of_slow_entities": slow[rng.integers(0, 40, rows)] + 0.5 * noise[4],
            "of_moods": mood + noise[5],
            "count": rng.poisson(np.exp(0.5 * habits[2, customer])).astype(np.float64),
            "hour": rng.integers(0, 24, rows).astype(np.float64),
            "flag": (rng.random(rows) < 0.1).astype(np.float64),
            "mostly_zero": np.where(rng.random(rows) < 0.1, np.exp(noise[6]), 0.0),
            CATEGORY: rng.choice(30, rows, p=weights / weights.sum()).astype(np.float64),
            "often_missing": np.where(rng.random(rows) < 0.2, np.nan, noise[7]),
            "score": 1 / (1 + np.exp(3 - habits[3, customer] - 0.5 * noise[0])),
        }


def _fraud(world: World, number: int) -> Sequence[Day]:
    """Features of the fraud product's own simulator, computed by its own view, at some `rows` a day.

    The first `WARM_UP_DAYS`, in which the windows of the features fill, are left out.
    """
    from benchmarks.pipeline.workload import scaled_product
    from mlops_assets.core.features.offline.executor import compute_features

    product = scaled_product(world.rows / ROWS_AT_FULL_SIZE, number + WARM_UP_DAYS)
    options = {**product.spec.source.options, "seed": world.seed}
    source = product.spec.source.model_copy(update={"options": options})
    product = replace(product, spec=product.spec.model_copy(update={"source": source}))
    with TemporaryDirectory() as cache:
        events = product.read_events(cache=Path(cache), start=None, end=None)
        labels = product.read_labels(cache=Path(cache), start=None, end=None)
    view = product.view
    features = compute_features(view, events.select(view.input_columns), labels.select(view.label_columns))
    days = features.with_columns(day=pl.col(view.event_timestamp or "").dt.date()).sort("day")
    names = [name for name in features.columns if name in view.feature_names]
    numbers = pl.col(names).cast(pl.Float64).fill_null(np.nan)
    parts = days.select("day", numbers).partition_by("day", maintain_order=True, include_key=False)
    return [{name: part[name].to_numpy() for name in names} for part in parts[WARM_UP_DAYS:]][:number]
