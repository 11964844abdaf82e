"""Runs the monitors of a product's own `monitors.py` over the windows of a run."""

import math
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import polars as pl

from mlops_assets.core.contracts.contract import event_columns
from mlops_assets.core.declared.monitors import MonitoredWindow, Monitors, OwnMonitor, Statistic
from mlops_assets.core.errors import MonitoringError
from mlops_assets.core.lakehouse.day_files import day_files
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.monitoring.custom.observed import findings_of_observations
from mlops_assets.core.monitoring.custom.statistic import judge_statistic
from mlops_assets.core.monitoring.drift.history import Span, lag_of
from mlops_assets.core.monitoring.drift.windows import WindowDrift
from mlops_assets.core.monitoring.estimated.champion_quality import WindowRows
from mlops_assets.core.monitoring.finding import Finding
from mlops_assets.core.monitoring.promise import CUSTOM_SHARE, chance_of_column
from mlops_assets.core.monitoring.quality.group_rows import champion_test_rows
from mlops_assets.core.product import Product
from mlops_assets.core.times import KNOWN_AT

FILE = "monitors.py"
"""Where a product has its own."""


@dataclass(frozen=True)
class Failure:
    """A monitor that could not be run on a window."""

    name: str
    where: str
    """Kind of the error, and file and line of the product's folder; without its message, which may show data."""
    details: str
    """The error as Python prints it, for the run's log."""


@dataclass(frozen=True)
class WindowMonitors:
    """The monitors of one product, and the history that its statistics are judged by."""

    drift: WindowDrift
    """The product, its champion and the windows of the history."""
    _values: dict[tuple[str, DayRange], "float | Failure | None"] = field(default_factory=dict)

    def content(self, window: DayRange) -> Mapping[str, object]:
        """What the findings of a window are made from besides what the champion scored; empty without monitors."""
        read: dict[str, object] = {}
        for name, monitor in self._monitors.items():
            if isinstance(monitor, Statistic):
                values = [self._value(name, monitor, days) for days in (*self._past(window), window)]
                read[name] = [one.where if isinstance(one, Failure) else one for one in values]
            elif "events" not in read:
                files = day_files(self._tables.delta(self._product.name, "events"))
                read["events"] = [files.get(day) for day in Span(window.first, window.end).days()]
        return read

    def findings(self, window: DayRange, scored: WindowRows) -> tuple[list[Finding], list[Failure]]:
        """Run every monitor on a window, by name; one that raises is inconclusive, and the others are heard."""
        found: list[Finding] = []
        failures: list[Failure] = []
        for name, monitor in self._monitors.items():
            said = self._said(name, monitor, window, scored)
            if isinstance(said, Failure):
                failures.append(said)
                reason = f"the monitor {name} could not be run: {said.where}"
                found.append(Finding(topic="custom", subject=name, state="inconclusive", reason=reason))
            else:
                found += said
        return found, failures

    def _said(
        self, name: str, monitor: Statistic | OwnMonitor, window: DayRange, scored: WindowRows
    ) -> list[Finding] | Failure:
        if not isinstance(monitor, Statistic):
            try:
                return findings_of_observations(name, monitor(self._shown(window, scored)))
            except Exception as error:  # the monitor is the user's code
                return _failure(name, error, self._product.folder)
        values: list[float | None] = []
        for days in (*self._past(window), window):
            value = self._value(name, monitor, days)
            if isinstance(value, Failure):
                return value
            values.append(value)
        return [self._judged(name, monitor, window, values[-1], values[:-1])]

    def _judged(
        self,
        name: str,
        statistic: Statistic,
        window: DayRange,
        value: float | None,
        past: Sequence[float | None],
    ) -> Finding:
        spec, drift = self._product.spec, self.drift
        statistics = sum(isinstance(one, Statistic) for one in self._monitors.values())
        return judge_statistic(
            name,
            statistic,
            value,
            past,
            reference_windows=max(1, round(drift.reference_days / drift.window_days)),
            lag=lag_of(drift.history_days.end, window.first, window_days=drift.window_days),
            chance=chance_of_column(
                per_quarter=spec.monitoring.false_alarms_per_quarter,
                columns=statistics,
                days_between=spec.days_between_windows,
                share=CUSTOM_SHARE,
            ),
        )

    def _past(self, window: DayRange) -> list[DayRange]:
        return [DayRange(span.first, span.end) for span in self.drift.spans(window)]

    def _value(self, name: str, statistic: Statistic, days: DayRange) -> "float | Failure | None":
        """The statistic of the events of some days; None of fewer than a window needs, and where it is none."""
        key = (name, DayRange(days.first, days.end))
        if key not in self._values:
            names = [one for one in self._columns if one in statistic.expression.meta.root_names()]
            # Sums depend on how rows lie in pieces. A table that cannot be read fails the run: no monitor is at fault.
            rows = self._events(days, columns=names).collect().rechunk()
            try:
                self._values[key] = self._computed(statistic.expression, rows)
            except Exception as error:  # the expression is the user's code
                self._values[key] = _failure(name, error, self._product.folder)
        return self._values[key]

    def _computed(self, expression: pl.Expr, rows: pl.DataFrame) -> float | None:
        if rows.height < self._product.spec.monitoring.minimum_rows:
            return None
        numbers = rows.select(expression.alias("number"))["number"]
        if len(numbers) != 1:
            raise MonitoringError(f"a statistic is one number of all rows, and it gives {len(numbers)}")
        number = numbers.cast(pl.Float64).item()
        return number if number is not None and math.isfinite(number) else None

    def _events(self, days: DayRange, *, columns: Sequence[str]) -> pl.LazyFrame:
        """Each event once, as it was first known, in the order of ids: a sum is then always the same."""
        id_column = self._product.spec.id_column
        return (
            self._tables.scan(self._product.name, "events", days=days)
            .select(*dict.fromkeys([id_column, KNOWN_AT, *columns]))
            .sort(id_column, KNOWN_AT)
            .unique(id_column, keep="first", maintain_order=True)
            .select(*(columns or [id_column]))
        )

    def _shown(self, window: DayRange, scored: WindowRows) -> MonitoredWindow:
        read_test_rows = partial(
            champion_test_rows, self._tables, self._product, self.drift.profiles.champion, columns=()
        )
        events = self._events(window, columns=self._columns)
        return MonitoredWindow(window.first, window.end, events, scored.rows.clone(), read_test_rows)

    @cached_property
    def _columns(self) -> tuple[str, ...]:
        return event_columns(self._product.event_schema)

    @property
    def _monitors(self) -> Monitors:
        return self._product.monitors

    @property
    def _product(self) -> Product:
        return self.drift.profiles.product

    @property
    def _tables(self) -> DeltaTables:
        return self.drift.profiles.tables


def _failure(name: str, error: Exception, folder: Path) -> Failure:
    lines = [
        one.lineno for one in traceback.extract_tb(error.__traceback__) if Path(one.filename).parent == folder
    ]
    place = f" at {FILE}:{lines[-1]}" if lines else f" ({FILE})"
    details = "".join(traceback.format_exception(error))
    return Failure(name, f"{type(error).__name__}{place}; the run's log says more", details)
