"""The estimated quality of a champion's windows: which of its rows are read, which labels were known, and what follows.

A window is a sample of at most `monitoring.maximum_rows` of the rows that the champion scored: those with the smallest
hashes of their ids. It is drawn without replacement, it is the same whenever it is drawn, and the samples of days add
up to that of a window (bottom-k, Cohen & Kaplan 2007), so that a day is read once for all windows that hold it.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property

import polars as pl

from mlops_assets.core.labels.outcomes import newest_labels
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.monitoring.estimated.estimate import estimate_window
from mlops_assets.core.monitoring.estimated.findings import (
    JUDGED_BESIDES_THE_PRIMARY,
    estimated_findings,
)
from mlops_assets.core.monitoring.estimated.reference import LearnedReference
from mlops_assets.core.monitoring.estimated.scored_rows import ScoredRows, scored_rows
from mlops_assets.core.monitoring.estimated.trust import too_few
from mlops_assets.core.monitoring.finding import Finding
from mlops_assets.core.monitoring.promise import ESTIMATE_SHARE, chance_of_column, widening
from mlops_assets.core.monitoring.quality.group_rows import champion_test_rows, with_columns_of_events
from mlops_assets.core.product import Product
from mlops_assets.core.release.champion import Champion
from mlops_assets.core.times import KNOWN_AT
from mlops_assets.core.training.view_features import features_by_view

SCORE, DECISION, BIAS = "score", "decision", "calibration_bias"
_DAY, _TIME, _PLACE = "event_date", "event_timestamp", "sample_place"


@dataclass(frozen=True)
class WindowRows:
    """What the champion scored in a window: a sample, with the labels that were known at the window's end."""

    rows: pl.DataFrame
    """Id, event's time, `score`, `decision`, features, the evaluation's group, and the label: null where not known."""
    scored: int
    """Rows of which the sample is."""


@dataclass(frozen=True)
class ChampionQuality:
    """Estimates the windows of a run for one champion of a product with a time axis."""

    tables: DeltaTables
    product: Product
    champion: Champion
    days: DayRange
    """All days of the windows that will be asked for."""
    _read: dict[date, WindowRows] = field(default_factory=dict)
    """Samples of days, without labels."""

    @property
    def facts(self) -> tuple[object, ...]:
        """What the reference depends on."""
        return (*self.champion.facts, self.champion.held_out)

    @cached_property
    def reference(self) -> LearnedReference:
        """The champion's test rows; of more than a window may have a sample beside all.

        Raises: RegistryError when the table holds them no more.
        """
        spec, id_column = self.product.spec, self.product.spec.id_column
        group = spec.evaluation.group_column
        columns = [] if group is None else [group]
        rows = champion_test_rows(self.tables, self.product, self.champion, columns=columns)
        rows = (rows.drop_nulls(columns) if columns else rows).sort(id_column)
        sample, of = self._sample(rows)
        everything = self._as_arrays(rows) if of > sample.height else None
        return LearnedReference(
            self._as_arrays(sample.sort(id_column)), spec.evaluation, spec.monitoring, everything
        )

    def window(self, days: DayRange) -> WindowRows:
        """Return what the champion scored of the events of these days, and what was known of them at their end.

        Events of before its as-of time are left out: scores of rows that a model was fitted on are sharper than others.
        """
        parts = [self._of_day(day) for day in _each(days)]
        rows = pl.concat([part.rows for part in parts])
        rows, _ = self._sample(rows)
        id_column, label = self.product.spec.id_column, self.product.spec.label.column
        known = self._known(days).select(id_column, label)
        rows = rows.join(known, on=id_column, how="left").sort(id_column)
        return WindowRows(rows, sum(part.scored for part in parts))

    def findings(self, window: WindowRows) -> tuple[Finding, ...]:
        """Judge the estimates of a window; of a sample each reason says so."""
        rows = self._as_arrays(window.rows)
        metrics = estimate_window(self.reference, rows, seed=self.product.spec.training.seed)
        found = estimated_findings(metrics, wide=self._wide)
        if window.scored <= len(rows):
            return found
        told = f" (a sample of {len(rows):,} of the {window.scored:,} rows)"
        return tuple(replace(finding, reason=finding.reason + told) for finding in found)

    @cached_property
    def allowed_bias(self) -> float | None:
        """By how much calibration bias may differ; None where the reference tells too little."""
        from threadpoolctl import threadpool_limits

        rows = self.reference.rows
        if too_few(rows, rows, self.product.spec.monitoring):
            return None
        # One thread: a sum's order is then always the same.
        with threadpool_limits(limits=1, user_api="blas"):
            return self.reference.allowed[BIAS]

    @property
    def _wide(self) -> float:
        """How much wider than stated an interval must lie beyond the limit, for alarms to keep the promise."""
        chance = chance_of_column(
            per_quarter=self.product.spec.monitoring.false_alarms_per_quarter,
            columns=1 + len(JUDGED_BESIDES_THE_PRIMARY),
            days_between=self.product.spec.days_between_windows,
            share=ESTIMATE_SHARE,
        )
        return widening(confidence=self.product.spec.evaluation.confidence, chance=chance)

    def _of_day(self, day: date) -> WindowRows:
        if day not in self._read:
            for past in [one for one in self._read if one < day - timedelta(days=self._window_days)]:
                del self._read[past]
            self._read_from(day)
        return self._read[day]

    def _read_from(self, day: date) -> None:
        """Read a window's length of days at once: opening the tables takes longer than reading a day of them."""
        end = min(day + timedelta(days=self._window_days), max(self.days.end, day + timedelta(days=1)))
        block = DayRange(day, end)
        rows = self._scored(block)
        by_day = rows.partition_by(_DAY, as_dict=True, include_key=False)
        nothing = rows.clear().drop(_DAY)
        for one in _each(block):
            sample, scored = self._sample(by_day.get((one,), nothing))
            self._read[one] = WindowRows(sample, scored)

    def _scored(self, days: DayRange) -> pl.DataFrame:
        id_column = self.product.spec.id_column
        is_new = pl.lit(True) if self.champion.as_of is None else pl.col(_TIME) >= self.champion.as_of
        predictions = (
            self.tables.scan(self.product.name, "predictions", days=days)
            .filter(pl.col("model_version") == self.champion.version, is_new)
            .select(id_column, _DAY, _TIME, SCORE, DECISION)
            .collect()
        )
        features = features_by_view(self.tables, self.product.name, self.champion.view, days=days).rows
        names = self.champion.model.feature_names
        rows = predictions.join(features.select(id_column, *names), on=id_column, how="inner")
        return self._with_group(rows)

    def _with_group(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Add the evaluation's group; rows whose event is no longer there are left out."""
        group = self.product.spec.evaluation.group_column
        if group is None:
            return rows
        added = with_columns_of_events(self.tables, self.product, self.champion.view, rows, columns=[group])
        return added.filter(pl.col(group).is_not_null())

    def _known(self, days: DayRange) -> pl.DataFrame:
        """Labels of the days' events as they were known at the days' end."""
        spec = self.product.spec
        known = DayRange(days.first, days.end, "known_date")
        labels = (
            self.tables.scan(self.product.name, "labels", days=known)
            .filter(pl.col(_TIME) >= days.starts_at)
            .select(spec.id_column, spec.label.column, KNOWN_AT)
            .collect()
        )
        return newest_labels(labels, id_column=spec.id_column, label=spec.label.column, as_of=None)

    def _sample(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, int]:
        """Return the rows with the smallest hashes, as many as a window may have, and of how many they are."""
        id_column, seed = self.product.spec.id_column, self.product.spec.training.seed
        most = self.product.spec.monitoring.maximum_rows
        if rows.height <= most:
            return rows, rows.height
        place = pl.col(id_column).hash(seed).alias(_PLACE)
        return rows.with_columns(place).bottom_k(most, by=[_PLACE, id_column]).drop(_PLACE), rows.height

    def _as_arrays(self, rows: pl.DataFrame) -> ScoredRows:
        return scored_rows(
            rows.with_columns(pl.col(_TIME).dt.date().alias(_DAY)),
            label=self.product.spec.label.column,
            score=SCORE,
            feature_names=self.champion.model.feature_names,
            group=self.product.spec.evaluation.group_column,
            day=_DAY,
        )

    @property
    def _window_days(self) -> int:
        return self.product.spec.monitoring.window_days


def _each(days: DayRange) -> Collection[date]:
    return [days.first + timedelta(days=number) for number in range((days.end - days.first).days)]
