"""Fairness of a window of outcomes: each sensitive group against what the champion reached for it on its test rows."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import polars as pl

from mlops_assets.core.evaluation.metrics import METRICS, auc, average_precision, brier
from mlops_assets.core.monitoring.finding import Finding, State
from mlops_assets.core.monitoring.promise import FAIRNESS_SHARE, chance_of_column, widening
from mlops_assets.core.monitoring.quality.difference import Allowance, judge_difference
from mlops_assets.core.monitoring.quality.group_values import (
    BIAS,
    SELECTION,
    GroupKey,
    GroupValue,
    measure_groups,
)
from mlops_assets.core.product_spec import Evaluation, Monitoring

FairnessVerdict = Literal["stable", "degraded", "inconclusive"]
FOUR_FIFTHS = 0.2
"""Part of all rows' selection rate by which a group's may move away from it (four-fifths rule, EEOC 1978)."""
TO_FRAME_SCHEMA = {
    "slice": pl.String,
    "group": pl.String,
    "metric": pl.String,
    "state": pl.String,
    "reason": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "reference_value": pl.Float64,
    "limit": pl.Float64,
    "rows": pl.Int64,
    "positives": pl.Int64,
}
_TITLES = {
    SELECTION: "selection rate less that of all rows",
    BIAS: METRICS[BIAS].title,
}
_RANK: Mapping[State, int] = {"alarm": 0, "inconclusive": 1, "ok": 2}


@dataclass(frozen=True)
class ReferenceGroups:
    """What the champion reached on its test rows."""

    values: Mapping[GroupKey, GroupValue]
    primary: float
    """The primary metric of all of them."""
    selection_rate: float
    """Of all of them."""

    def base_rate(self, key: GroupKey) -> float:
        """Return the share of the label 1 in a group."""
        value = self.values[key]
        return value.positives / value.rows


@dataclass(frozen=True)
class JudgedGroup:
    """One metric of one group of a window."""

    slice: str
    group: str
    metric: str
    state: State
    reason: str
    now: GroupValue
    then: GroupValue | None
    limit: float | None


@dataclass(frozen=True)
class FairnessReport:
    """A window's verdict and the evidence for it."""

    verdict: FairnessVerdict
    reason: str
    groups: tuple[JudgedGroup, ...]

    def to_frame(self) -> pl.DataFrame:
        """One row per slice, group and metric, alarms first."""
        rows = []
        for one in sorted(self.groups, key=lambda one: _RANK[one.state]):
            now, then = one.now.measured, one.then.measured if one.then else None
            rows.append(
                {
                    **{name: getattr(one, name) for name in ("slice", "group", "metric", "state", "reason")},
                    "value": now and now.value,
                    "low": now and now.low,
                    "high": now and now.high,
                    "reference_value": then and then.value,
                    "limit": one.limit,
                    "rows": one.now.rows,
                    "positives": one.now.positives,
                }
            )
        return pl.DataFrame(rows, schema=TO_FRAME_SCHEMA)


def reference_groups(
    rows: pl.DataFrame, *, label: str, score: str, evaluation: Evaluation
) -> ReferenceGroups:
    """Measure the groups of the champion's test rows; the columns are those that `measure_groups` needs.

    label, score: names of columns. evaluation: slices, metric, confidence, seed.
    """
    of_all = {"auc": auc, "average_precision": average_precision, "brier": brier}[evaluation.primary_metric]
    labels = rows[label].cast(pl.Int8).to_numpy()
    return ReferenceGroups(
        measure_groups(rows, label=label, score=score, evaluation=evaluation),
        of_all(labels, rows[score].cast(pl.Float64).to_numpy()),
        float(rows["decision"].cast(pl.Float64).to_numpy().mean()),
    )


def fairness_report(
    window: Mapping[GroupKey, GroupValue],
    reference: ReferenceGroups,
    *,
    evaluation: Evaluation,
    monitoring: Monitoring,
    days_between: int = 1,
) -> FairnessReport:
    """Judge every group of a window.

    The primary metric may fall by `performance_drop`, the selection rate may move away from that of all rows by a fifth
    of it, and the calibration bias by the part of the group's base rate that the primary metric may lose. Alarms keep a
    share of the promise, divided by all groups and metrics (Bonferroni 1936). Groups with fewer than
    `minimum_slice_rows` rows are inconclusive.

    window, reference: what was measured of the outcomes, and of the champion's test rows. evaluation, monitoring: of
    the product. days_between: one report and the next.
    """
    chance = chance_of_column(
        per_quarter=monitoring.false_alarms_per_quarter,
        columns=len(window),
        days_between=days_between,
        share=FAIRNESS_SHARE,
    )
    wide = widening(confidence=evaluation.confidence, chance=chance)
    judge = _Judge(reference, evaluation, monitoring, wide)
    groups = tuple(judge.group(key, value) for key, value in window.items())
    verdict, reason = _verdict(groups)
    return FairnessReport(verdict, reason, groups)


def fairness_findings(rows: pl.DataFrame) -> tuple[Finding, ...]:
    """Return a finding per group and metric; rows: of the fairness report, of one window."""
    return tuple(
        Finding(
            topic="fairness",
            subject=f"{row['slice']} {row['group']}: {row['metric']}",
            state=row["state"],
            cause="changed" if row["state"] == "alarm" else None,
            reason=row["reason"],
            value=row["value"],
            low=row["low"],
            high=row["high"],
            expected=row["reference_value"],
            limit=row["limit"],
        )
        for row in rows.iter_rows(named=True)
    )


@dataclass(frozen=True)
class _Judge:
    reference: ReferenceGroups
    evaluation: Evaluation
    monitoring: Monitoring
    wide: float

    def group(self, key: GroupKey, now: GroupValue) -> JudgedGroup:
        slice_name, group, metric = key
        then = self.reference.values.get(key)

        def judged(state: State, reason: str, limit: float | None = None) -> JudgedGroup:
            return JudgedGroup(slice_name, group, metric, state, reason, now, then, limit)

        if missing := next(self._missing(metric, now, then), None):
            return judged("inconclusive", missing)
        if now.measured is None or then is None or then.measured is None:
            return judged("inconclusive", "no interval of it can be claimed in the window and the test rows")
        allowance = Allowance(self._allowed(key), self._direction(metric), self.wide)
        state = judge_difference(now.measured, then.measured, allowance)
        value, was = now.measured, then.measured
        title = _TITLES.get(metric) or METRICS[metric].title
        told = (
            f"{title} is {value.value:.3f} [{value.low:.3f}, {value.high:.3f}] on {now.rows:,} rows, on the champion's "
            f"test rows {was.value:.3f}; {allowance.size:.3f} of difference is allowed"
        )
        if state == "inconclusive":
            width = (value.high - value.low) / 2
            needed = math.ceil(now.rows * max(1.0, width / max(allowance.size, 1e-12)) ** 2)
            told += (
                f"; about {needed:,} rows can tell" if needed > now.rows else "; the interval reaches over it"
            )
        return judged(state, told, allowance.limit(value, was))

    def _missing(self, metric: str, now: GroupValue, then: GroupValue | None) -> Iterator[str]:
        least, each = self.evaluation.minimum_slice_rows, self.monitoring.minimum_positives
        if then is None:
            yield "the champion's test rows have no row of this group"
        for where, value in (("window", now), ("champion's test rows", then)):
            if value is None:
                continue
            if value.rows < least:
                yield f"the {where} has {value.rows} known outcomes of this group, {least} are needed"
            fewer = min(value.positives, value.rows - value.positives)
            if metric == self.evaluation.primary_metric and fewer < each:
                yield f"the {where} has {fewer} rows of the group's rarer class, {each} are needed"

    def _allowed(self, key: GroupKey) -> float:
        metric = key[2]
        if metric == SELECTION:
            return FOUR_FIFTHS * self.reference.selection_rate
        if metric == BIAS:
            share = self.monitoring.performance_drop / max(abs(self.reference.primary), 1e-12)
            return share * self.reference.base_rate(key)
        return self.monitoring.performance_drop

    def _direction(self, metric: str) -> int:
        return METRICS[metric].direction if metric == self.evaluation.primary_metric else 0


def _verdict(groups: tuple[JudgedGroup, ...]) -> tuple[FairnessVerdict, str]:
    if not groups:
        return "inconclusive", "no outcome of this window is known yet"
    alarms = [one for one in groups if one.state == "alarm"]
    if alarms:
        first = alarms[0]
        told = f"{first.slice} {first.group}: {first.reason}"
        return "degraded", f"{len(alarms)} of {len(groups)} numbers of groups alarm; {told}"
    open_ones = [one for one in groups if one.state == "inconclusive"]
    if open_ones:
        first = open_ones[0]
        told = f"{first.slice} {first.group}: {first.reason}"
        return "inconclusive", f"{len(open_ones)} of {len(groups)} numbers of groups are open; {told}"
    return "stable", f"all {len(groups)} numbers of groups are as on the champion's test rows"
