"""The rows of an evaluation's table: which questions are asked of the resampled metrics, and how each is
answered.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from mlops_assets.core.evaluation.bootstrap import percentile_interval
from mlops_assets.core.evaluation.contenders import Contender
from mlops_assets.core.evaluation.fairness import group_rates, rate_gaps, resampled_gap
from mlops_assets.core.evaluation.metrics import METRICS, Booleans, Labels
from mlops_assets.core.evaluation.resampled_metrics import Estimate, Key
from mlops_assets.core.evaluation.result import ESTIMATE_SCHEMA, FAIRNESS_METRICS, Kind
from mlops_assets.core.evaluation.slices import SliceRows

_SLICE_METRICS = ("auc", "average_precision", "brier", "calibration_error")
_RATE_OF_GAP = {"selection_rate_gap": "selection_rate", "true_positive_rate_gap": "true_positive_rate"}

Estimates = Mapping[Key, Mapping[str, Estimate]]


@dataclass(frozen=True)
class Question:
    """One contender, or two on the rows that both predict, on all test rows or on one group of a slice."""

    kind: Kind
    contender: str
    against: str | None
    part: SliceRows | None
    rows: npt.NDArray[np.int64]
    rows_name: str

    @property
    def keys(self) -> tuple[Key, ...]:
        """The populations that the answer needs."""
        names = (self.contender,) if self.against is None else (self.contender, self.against)
        return tuple((name, self.rows_name) for name in names)


def questions(
    contenders: Sequence[Contender], slices: Sequence[SliceRows], *, compared_in_slices: Collection[str]
) -> list[Question]:
    """All questions of an evaluation; groups without a row that both contenders predict are left out."""
    candidate, *others = contenders
    asked = [_question("metric", contender, None, None) for contender in contenders]
    asked += [_question("difference", candidate, other, None) for other in others]
    asked += [_question("slice", candidate, None, part) for part in slices]
    asked += [_question("fairness", candidate, None, part) for part in slices if part.is_sensitive]
    compared = [other for other in others if other.name in compared_in_slices]
    asked += [_question("slice_difference", candidate, o, part) for part in slices for o in compared]
    return [question for question in asked if len(question.rows)]


@dataclass(frozen=True)
class AnswerContext:
    """What every answer needs besides the question."""

    labels: Labels
    decisions: Booleans
    """Whether the candidate flags the row at its threshold."""
    confidence: float
    minimum_slice_rows: int


def estimate_table(asked: Sequence[Question], estimates: Estimates, context: AnswerContext) -> pl.DataFrame:
    """Answer all questions as the `estimates` table of an EvaluationResult."""
    rates = _fairlearn_rates(asked, context)
    rows = [row for question in asked for row in _answer(question, estimates, context, rates)]
    rows += list(_gaps([q for q in asked if q.kind == "fairness"], estimates, context))
    return pl.DataFrame(rows, schema=ESTIMATE_SCHEMA, orient="row")


def _question(
    kind: Kind, contender: Contender, against: Contender | None, part: SliceRows | None
) -> Question:
    known = contender if against is None else against
    rows, name = (part.rows, f"{part.slice}={part.group}") if part else (np.arange(len(known.scores)), "all")
    if len(known.known_rows) < len(known.scores):
        rows, name = np.intersect1d(rows, known.known_rows, assume_unique=True), f"{name}, with {known.name}"
    return Question(kind, contender.name, against.name if against else None, part, rows, name)


def _answer(
    question: Question, estimates: Estimates, context: AnswerContext, rates: Mapping[Key, Mapping[str, float]]
) -> Iterator[dict[str, object]]:
    first, *second = (estimates[key] for key in question.keys)
    known_rates = rates.get(question.keys[0], {}) if question.kind == "fairness" else {}
    for name, estimate in first.items():
        if not _is_asked(question.kind, name) or (second and name not in second[0]):
            continue
        answer = _advantage(name, estimate, second[0][name]) if second else estimate
        value = known_rates.get(name, answer.value)
        yield _row(question, name, Estimate(value, answer.samples), context)


def _is_asked(kind: Kind, metric: str) -> bool:
    match kind:
        case "slice" | "slice_difference":
            return metric in _SLICE_METRICS
        case "fairness":
            return metric in FAIRNESS_METRICS
        case "difference":
            return METRICS[metric].direction != 0
    return True


def _advantage(metric: str, candidate: Estimate, other: Estimate) -> Estimate:
    sign = METRICS[metric].direction
    return Estimate(sign * (candidate.value - other.value), sign * (candidate.samples - other.samples))


def _row(question: Question, metric: str, estimate: Estimate, context: AnswerContext) -> dict[str, object]:
    interval = percentile_interval(
        estimate.samples,
        value=estimate.value,
        confidence=context.confidence,
        is_folded=METRICS[metric].is_folded,
    )
    lowest = 0.0 if METRICS[metric].is_folded and question.against is None else -np.inf
    return {
        "kind": question.kind,
        "contender": question.contender,
        "against": question.against,
        "slice": question.part.slice if question.part else None,
        "group": question.part.group if question.part else None,
        "metric": metric,
        "value": None if np.isnan(estimate.value) else estimate.value,
        "low": None if interval.low is None else max(lowest, interval.low),
        "high": interval.high,
        "rows": len(question.rows),
        "positives": int(context.labels[question.rows].sum()),
        "degenerate": interval.degenerate,
        "is_enough": question.part is None or len(question.rows) >= context.minimum_slice_rows,
    }


def _fairlearn_rates(asked: Sequence[Question], context: AnswerContext) -> dict[Key, dict[str, float]]:
    """Rates of every sensitive group, by population."""
    rates: dict[Key, dict[str, float]] = {}
    for group in _by_attribute([q for q in asked if q.kind == "fairness"]):
        rows, names = _stack(group)
        by_name = group_rates(context.labels[rows], context.decisions[rows], names)
        rates |= {q.keys[0]: by_name[q.part.group] for q in group if q.part}
    return rates


def _gaps(
    asked: Sequence[Question], estimates: Estimates, context: AnswerContext
) -> Iterator[dict[str, object]]:
    for group in _by_attribute(asked):
        large = [q for q in group if len(q.rows) >= context.minimum_slice_rows]
        for gap, rate in _RATE_OF_GAP.items():
            judged = [q for q in large if gap == "selection_rate_gap" or context.labels[q.rows].any()]
            if len(judged) < 2:
                estimate = Estimate(float("nan"), np.full(1, np.nan))
            else:
                rows, names = _stack(judged)
                value = rate_gaps(context.labels[rows], context.decisions[rows], names)[gap]
                by_group = {q.rows_name: estimates[q.keys[0]][rate].samples for q in judged}
                estimate = Estimate(value, resampled_gap(by_group))
            yield _gap_row(group, judged, gap, estimate, context)


def _gap_row(
    group: Sequence[Question],
    judged: Sequence[Question],
    gap: str,
    estimate: Estimate,
    context: AnswerContext,
) -> dict[str, object]:
    """A gap is as uncertain as its smallest group, so `rows` and `positives` are those of the smallest one
    judged.
    """
    row = _row(group[0], gap, estimate, context)
    return row | {
        "kind": "fairness_gap",
        "group": None,
        "rows": min((len(q.rows) for q in judged), default=0),
        "positives": min((int(context.labels[q.rows].sum()) for q in judged), default=0),
        "is_enough": len(judged) >= 2,
    }


def _by_attribute(asked: Sequence[Question]) -> list[list[Question]]:
    attributes = dict.fromkeys(q.part.slice for q in asked if q.part)
    return [[q for q in asked if q.part and q.part.slice == name] for name in attributes]


def _stack(group: Sequence[Question]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.str_]]:
    rows = np.concatenate([q.rows for q in group])
    names = np.concatenate([np.full(len(q.rows), q.part.group if q.part else "") for q in group])
    return rows, names
