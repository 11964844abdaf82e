"""Drift of a product's windows: which history each is compared with, and how long the model has been out of it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import polars as pl

from mlops_assets.core.errors import MonitoringError
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.monitoring.categories import category_features, category_names, features_as_given
from mlops_assets.core.monitoring.drift.column import History, LearnedColumn
from mlops_assets.core.monitoring.drift.day_faults import day_faults
from mlops_assets.core.monitoring.drift.history import (
    HISTORY_DAYS,
    Span,
    could_tell_from,
    history_of,
    history_spans,
    lag_of,
)
from mlops_assets.core.monitoring.drift.report import DriftReport, judge_window, learn_columns
from mlops_assets.core.monitoring.drift.variation import FEWEST_WINDOWS
from mlops_assets.core.monitoring.finding import Finding
from mlops_assets.core.monitoring.profile import ColumnProfile, add, profile_column
from mlops_assets.core.monitoring.promise import chance_of_column
from mlops_assets.core.monitoring.stored_profiles import SCORE, ChampionProfiles
from mlops_assets.core.product_spec import TimeSplit

COHORT_PARTS = 20
"""Parts of a cohort's reference rows, drawn by chance, that show how far parts lie from each other."""


@dataclass(frozen=True)
class ComparedColumn:
    """A column of a window beside its history."""

    history: History
    current: ColumnProfile
    is_category: bool
    names: tuple[str, ...] = ()
    """What the codes of a category stand for, from 0 on; empty where they stand for themselves."""


@dataclass(frozen=True)
class WindowDrift:
    """Judges windows of a product with a time axis against its champion's history."""

    profiles: ChampionProfiles
    days: DayRange
    """All that will be judged; their profiles are read at once."""

    @cached_property
    def history_days(self) -> DayRange:
        """The days before the champion's as-of time, a year at most.

        Raises: MonitoringError for a champion without an as-of time, or without a day before it.
        """
        champion, spec = self.profiles.champion, self.profiles.product.spec
        if champion.as_of is None or spec.time is None:
            raise MonitoringError(f"{spec.name}: a version without an as-of time has no history of days")
        end = champion.as_of.date()
        first = max(spec.time.start_date, end - timedelta(days=HISTORY_DAYS))
        if first >= end:
            raise MonitoringError(f"{spec.name}: version {champion.version} knew no day before {end}")
        return DayRange(first, end)

    def judge(self, window: DayRange) -> DriftReport:
        """Judge one window of days; raises MonitoringError for a champion without a history."""
        product = self.profiles.product
        inside = Span(window.first, window.end).days()
        current = {
            name: add([days[day] for day in inside if day in days]) for name, days in self._profiles.items()
        }
        report = judge_window(
            self._learned(window),
            current,
            lag=lag_of(self.history_days.end, window.first, window_days=self.window_days),
            chance=chance_of_column(
                per_quarter=product.spec.monitoring.false_alarms_per_quarter,
                columns=len(self.profiles.columns),
                days_between=product.spec.days_between_windows,
            ),
            minimum_rows=product.spec.monitoring.minimum_rows,
            importance=self.importance,
        )
        return report.with_faults(self._faults(window))

    def compared(self, window: DayRange, column: str) -> ComparedColumn:
        """Return what one column of a window was compared with; for people who want to see it.

        Raises: KeyError for a column that the champion does not have.
        """
        days = self._profiles[column]
        inside = Span(window.first, window.end).days()
        return ComparedColumn(
            history=self._histories(self.spans(window))[column],
            current=add([days[day] for day in inside if day in days]),
            is_category=column in category_features(self.profiles.product),
            names=category_names(self.profiles.champion.view).get(column, ()),
        )

    def content(self, window: DayRange) -> str:
        """Return a digest of the profiles that a window's verdict is made from: all up to its end."""
        days = Span(self.history_days.first, window.end).days()
        return hashlib.sha256(b"".join(self._digests.get(day, b"-") for day in days)).hexdigest()

    @property
    def could_tell_from(self) -> date:
        """The as-of day from which on a version's history is long enough."""
        return could_tell_from(self.history_days.first, window_days=self.window_days)

    @property
    def window_days(self) -> int:
        """How long a window is."""
        return self.profiles.product.spec.monitoring.window_days

    @property
    def read_days(self) -> DayRange:
        """All days of the history and of the windows that will be judged."""
        first, end = min(self.history_days.first, self.days.first), max(self.history_days.end, self.days.end)
        return DayRange(first, end)

    @property
    def reference_days(self) -> int:
        """How many of the newest days of the history features are compared with: what the champion was made from."""
        split = self.profiles.product.spec.split
        if not isinstance(split, TimeSplit):
            return self.window_days
        return split.train_days + split.test_days + split.validation_days + 3 * split.gap_days

    @cached_property
    def importance(self) -> Mapping[str, float]:
        """Each feature's share of the model's gain."""
        return gain_shares(self.profiles.champion.model.importance())

    @cached_property
    def _profiles(self) -> dict[str, dict[date, ColumnProfile]]:
        return self.profiles.read(self.read_days)

    @cached_property
    def _digests(self) -> dict[date, bytes]:
        """A digest of each day's profiles."""
        parts: dict[date, list[bytes]] = {}
        for name, days in self._profiles.items():
            for day, one in days.items():
                told = f"{name} {day} {one.rows} {one.missing} {len(one.values)} ".encode()
                parts.setdefault(day, []).extend([told, one.values.tobytes(), one.counts.tobytes()])
        return {day: hashlib.sha256(b"".join(told)).digest() for day, told in parts.items()}

    def _faults(self, window: DayRange) -> list[Finding]:
        """Return what is broken on the days of a window, whichever others are judged with it.

        What is usual is said by the days up to the version's as-of time, of a window that begins before it by those up
        to its beginning, and by sound days since.
        """
        end = self.history_days.end
        found = self._faults_since if window.first >= end else self._faults_between(window.first, window.end)
        return [fault for day in Span(window.first, window.end).days() for fault in found.get(day, ())]

    @cached_property
    def _faults_since(self) -> dict[date, tuple[Finding, ...]]:
        return self._faults_between(self.history_days.end, self.days.end)

    def _faults_between(self, first: date, end: date) -> dict[date, tuple[Finding, ...]]:
        features = {name: days for name, days in self._profiles.items() if name != SCORE}
        return day_faults(
            features,
            history=Span(self.history_days.first, first).days(),
            days=Span(first, end).days(),
            categories=category_features(self.profiles.product),
            as_given=features_as_given(self.profiles.champion.view),
        )

    @cached_property
    def _by_spans(self) -> dict[tuple[Span, ...], tuple[LearnedColumn, ...]]:
        return {}

    @cached_property
    def _histories_by_spans(self) -> dict[tuple[Span, ...], dict[str, History]]:
        return {}

    def spans(self, window: DayRange) -> tuple[Span, ...]:
        """Return the windows of the history that one window is compared with, oldest first."""
        return history_spans(
            self.history_days.first,
            self.history_days.end,
            window_days=self.window_days,
            last_day=window.end - timedelta(days=1),
        )

    def _histories(self, spans: tuple[Span, ...]) -> Mapping[str, History]:
        if spans not in self._histories_by_spans:
            self._histories_by_spans[spans] = {
                name: self._history_of(name, spans) for name in self.profiles.columns
            }
        return self._histories_by_spans[spans]

    def _learned(self, window: DayRange) -> tuple[LearnedColumn, ...]:
        spans = self.spans(window)
        if spans not in self._by_spans:
            self._by_spans[spans] = learn_columns(
                self._histories(spans), score=SCORE, categories=category_features(self.profiles.product)
            )
        return self._by_spans[spans]

    def _history_of(self, name: str, spans: tuple[Span, ...]) -> History:
        split = self.profiles.product.spec.split
        days = self._profiles[name]
        if name != SCORE or not isinstance(split, TimeSplit):
            return history_of(days, spans, reference_days=self.reference_days)
        held_out = split.test_days + split.validation_days + 2 * split.gap_days
        trained = Span(
            self.history_days.end - timedelta(days=held_out + split.gap_days + split.train_days),
            self.history_days.end - timedelta(days=held_out + split.gap_days),
        )
        # Scores of rows that a model was fitted on are sharper than those of new ones, and would look like drift.
        new = tuple(span for span in spans if span.end <= trained.first or span.first >= trained.end)
        return history_of(days, new if len(new) >= FEWEST_WINDOWS else spans, reference_days=held_out)


def cohort_drift(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    *,
    profiles_of: ChampionProfiles,
    seed: int,
) -> DriftReport:
    """Judge the rows of a product without a time axis against the champion's reference rows.

    There are no windows of the past: how far equal samples lie from each other is seen on `COHORT_PARTS` random parts
    of the reference. reference, current: features and score, numeric. profiles_of: the champion. seed: of the parts.
    """
    product = profiles_of.product
    categories = category_features(product)
    shuffled = reference.sample(fraction=1.0, shuffle=True, seed=seed)
    size = max(1, shuffled.height // COHORT_PARTS)
    parts = [shuffled.slice(number * size, size) for number in range(COHORT_PARTS)]

    def profiled(name: str, rows: pl.DataFrame) -> ColumnProfile:
        return profile_column(rows[name], is_category=name in categories)

    histories = {
        name: History(
            tuple(profiled(name, part) for part in parts if part.height),
            profiled(name, reference),
            COHORT_PARTS // 2,
        )
        for name in profiles_of.columns
    }
    return judge_window(
        learn_columns(histories, score=SCORE, categories=categories),
        {name: profiled(name, current) for name in profiles_of.columns},
        lag=0.0,
        chance=chance_of_column(
            per_quarter=product.spec.monitoring.false_alarms_per_quarter, columns=len(profiles_of.columns)
        ),
        minimum_rows=product.spec.monitoring.minimum_rows,
        importance=gain_shares(profiles_of.champion.model.importance()),
    )


def gain_shares(importance: pl.DataFrame) -> Mapping[str, float]:
    """Return each feature's share of the model's gain; importance: what a model's `importance` returns."""
    total = float(importance["gain"].sum())
    return {
        feature: gain / total if total else 0.0
        for feature, gain in importance.select("feature", "gain").iter_rows()
    }
