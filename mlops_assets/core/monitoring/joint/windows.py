"""Drift of a product's windows with what columns do together: the history is that of each column."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

import numpy as np

from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.monitoring.drift.history import Span, lag_of
from mlops_assets.core.monitoring.drift.report import DriftReport
from mlops_assets.core.monitoring.drift.windows import WindowDrift
from mlops_assets.core.monitoring.finding import Finding
from mlops_assets.core.monitoring.joint.dependence import Floats, length_of_sums
from mlops_assets.core.monitoring.joint.stored import StoredPairSums
from mlops_assets.core.monitoring.joint.verdict import LearnedPairs, judge_pairs, learn_pairs
from mlops_assets.core.monitoring.promise import JOINT_DRIFT_SHARE, chance_of_column
from mlops_assets.core.monitoring.volume import volume_findings


@dataclass(frozen=True)
class JointDrift:
    """Judges windows of a product by column, by pairs of columns, and by whether events came on each day."""

    drift: WindowDrift
    events: Mapping[date, int] = field(default_factory=dict)
    """Rows of `events` by day; with none nothing is said of silent days."""

    def judge(self, window: DayRange) -> DriftReport:
        """Judge one window by all three; raises MonitoringError for a champion without a history.

        A day without events moves what is summed up over the others: that is a broken source, and no drift.
        """
        report = self.drift.judge(window)
        report = report.with_faults([*report.faults, *self._silent_days(window)])
        if len(self._columns) < 2:
            return report
        return report.with_joint(self.pairs(window, rows=report.rows_current))

    def _silent_days(self, window: DayRange) -> tuple[Finding, ...]:
        counts = {day: count for day, count in self.events.items() if day < window.end}
        if not counts:
            return ()
        below = self.drift.profiles.product.spec.source.silent_below
        found = volume_findings(counts, days=Span(window.first, window.end).days(), below=below)
        return tuple(one for one in found if one.state == "alarm")

    def pairs(self, window: DayRange, *, rows: int) -> Finding:
        """Say whether pairs of columns go together in a window of so many rows as in the history."""
        drift = self.drift
        spec = drift.profiles.product.spec
        return judge_pairs(
            self._learned(window),
            self._sum(Span(window.first, window.end)),
            lag=lag_of(drift.history_days.end, window.first, window_days=drift.window_days),
            chance=chance_of_column(
                per_quarter=spec.monitoring.false_alarms_per_quarter,
                columns=1,
                days_between=spec.days_between_windows,
                share=JOINT_DRIFT_SHARE,
            ),
            minimum_rows=spec.monitoring.minimum_rows,
            rows=rows,
            importance=drift.importance,
            could_tell_from=drift.could_tell_from.isoformat(),
        )

    def content(self, window: DayRange) -> str:
        """Return a digest of all that a window's verdict is made from, up to its end."""
        days = Span(self.drift.history_days.first, window.end).days()
        counted = str([self.events.get(day, 0) for day in days]).encode()
        parts = [
            self.drift.content(window).encode(),
            counted,
            *(self._digests.get(day, b"-") for day in days),
        ]
        return hashlib.sha256(b"".join(parts)).hexdigest()

    @cached_property
    def _columns(self) -> tuple[str, ...]:
        return StoredPairSums(self.drift.profiles).columns

    @cached_property
    def _days(self) -> dict[date, Floats]:
        return StoredPairSums(self.drift.profiles).read(self.drift.read_days)

    @cached_property
    def _digests(self) -> dict[date, bytes]:
        return {day: hashlib.sha256(sums.tobytes()).digest() for day, sums in self._days.items()}

    @cached_property
    def _by_spans(self) -> dict[tuple[Span, ...], LearnedPairs]:
        return {}

    def _learned(self, window: DayRange) -> LearnedPairs:
        spans = self.drift.spans(window)
        if spans not in self._by_spans:
            length = (spans[0].end - spans[0].first).days if spans else 1
            windows: Sequence[Floats] = [self._sum(span) for span in spans] or [self._sum(None)]
            self._by_spans[spans] = learn_pairs(
                windows,
                columns=self._columns,
                reference_windows=max(1, round(self.drift.reference_days / length)),
            )
        return self._by_spans[spans]

    def _sum(self, span: Span | None) -> Floats:
        total = np.zeros(length_of_sums(len(self._columns)))
        for day in span.days() if span is not None else ():
            if day in self._days:
                total = total + self._days[day]
        return total
