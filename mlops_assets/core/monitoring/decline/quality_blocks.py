"""The outcomes of a champion in disjoint blocks of days, each with its own value of the primary metric."""

from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from mlops_assets.core.evaluation.bootstrap import Resamples
from mlops_assets.core.evaluation.metrics import Labels, ProbabilityMetrics, RankingMetrics
from mlops_assets.core.evaluation.resampled_metrics import Population, WeightedMetrics, resample_metrics
from mlops_assets.core.identity.content import rows_digest
from mlops_assets.core.product_spec import Evaluation, Monitoring

RESAMPLES = 200


@dataclass(frozen=True)
class QualityBlock:
    """Consecutive days of outcomes that together suffice for a value; no row is in two blocks."""

    first_day: date
    last_day: date
    value: float
    variance: float
    """Of the value, by a bootstrap of rows, or of groups of rows."""
    rarer: int
    """Rows of the rarer class."""


def quality_blocks(
    outcomes: pl.DataFrame,
    *,
    label: str,
    score: str,
    evaluation: Evaluation,
    monitoring: Monitoring,
    seed: int,
    measured: MutableMapping[str, QualityBlock | None] | None = None,
) -> tuple[QualityBlock, ...]:
    """Cut outcomes by `known_date` into blocks and measure the primary metric of each, oldest first.

    A block ends with the day on which it has the rows and the positives and negatives that a performance report needs,
    whatever the scores; the days after the last full block wait. Later days change no block before them.

    outcomes: one row per event since the champion's as-of time: label (0/1), score, known_date, and the evaluation's
    group column. label, score: names of columns. evaluation, monitoring: metric and limits. seed: of the bootstrap.
    measured: blocks of earlier calls with the same arguments, by the content of their rows; it takes in new ones.
    """
    group = evaluation.group_column
    columns = ["known_date", label, score, *([group] if group else [])]
    measured = {} if measured is None else measured
    blocks: list[QualityBlock | None] = []
    # Sorted by all columns: the bootstrap draws by position, and the order of the rows must not matter.
    for rows in _full_blocks(outcomes.select(columns).sort(columns), label=label, monitoring=monitoring):
        key = rows_digest(rows)
        if key not in measured:
            measured[key] = _block(rows, label=label, score=score, evaluation=evaluation, seed=seed)
        blocks.append(measured[key])
    return tuple(block for block in blocks if block is not None)


def _block(
    rows: pl.DataFrame, *, label: str, score: str, evaluation: Evaluation, seed: int
) -> QualityBlock | None:
    """Measure a block; None where its metric has no value or no spread."""
    value, variance = _measure(rows, label=label, score=score, evaluation=evaluation, seed=seed)
    if not (np.isfinite(value) and variance > 0):
        return None
    positives, days = int(rows[label].sum()), rows["known_date"]
    return QualityBlock(days[0], days[-1], value, variance, min(positives, rows.height - positives))


def _full_blocks(outcomes: pl.DataFrame, *, label: str, monitoring: Monitoring) -> Iterator[pl.DataFrame]:
    by_day = outcomes.partition_by("known_date", maintain_order=True)
    waiting: list[pl.DataFrame] = []
    for day in by_day:
        waiting.append(day)
        rows = sum(part.height for part in waiting)
        positives = sum(int(part[label].sum()) for part in waiting)
        if (
            rows >= monitoring.minimum_rows
            and min(positives, rows - positives) >= monitoring.minimum_positives
        ):
            yield pl.concat(waiting)
            waiting = []


def _measure(
    rows: pl.DataFrame, *, label: str, score: str, evaluation: Evaluation, seed: int
) -> tuple[float, float]:
    labels: Labels = rows[label].cast(pl.Int8).to_numpy()
    scores = rows[score].cast(pl.Float64).to_numpy()
    metric: WeightedMetrics = (
        ProbabilityMetrics if evaluation.primary_metric == "brier" else RankingMetrics
    )(labels, scores)
    group = evaluation.group_column
    groups = None if group is None else (rows[group].rank("dense").cast(pl.Int64) - 1).to_numpy()
    resamples = Resamples(rows=rows.height, samples=RESAMPLES, seed=seed, groups=groups)
    population = Population(rows=np.arange(rows.height), metrics=(metric,))
    found = resample_metrics({("champion", "block"): population}, resamples)["champion", "block"]
    estimate = found[evaluation.primary_metric]
    return estimate.value, float(np.nanvar(estimate.samples))
