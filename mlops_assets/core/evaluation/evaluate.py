"""Judge a candidate and its contenders on the same test rows: values, paired differences, slices, fairness,
intervals.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from mlops_assets.core.errors import EvaluationError
from mlops_assets.core.evaluation.bootstrap import Resamples
from mlops_assets.core.evaluation.contenders import Contender, check_contenders, check_labels
from mlops_assets.core.evaluation.curves import calibration_bins, curve_points
from mlops_assets.core.evaluation.decision_threshold import DecisionThreshold, threshold_table
from mlops_assets.core.evaluation.estimates import AnswerContext, Question, estimate_table, questions
from mlops_assets.core.evaluation.metrics import (
    CalibrationLine,
    DecisionMetrics,
    Labels,
    ProbabilityMetrics,
    RankingMetrics,
)
from mlops_assets.core.evaluation.resampled_metrics import Key, Population, WeightedMetrics, resample_metrics
from mlops_assets.core.evaluation.result import EvaluationResult
from mlops_assets.core.evaluation.slices import slice_rows
from mlops_assets.core.product_spec import Evaluation, Gate


def evaluate(
    test_rows: pl.DataFrame,
    *,
    label: str,
    contenders: Sequence[Contender],
    evaluation: Evaluation,
    threshold: DecisionThreshold,
    gates: Sequence[Gate] = (),
) -> EvaluationResult:
    """Evaluate all contenders on the test rows; the first one is the candidate.

    test_rows: rows of the test split only, with the label, the group column and every slice column.
    threshold: chosen on validation rows (`choose_threshold`), for the candidate's probabilities. gates: those
    with `slices: true` name the contenders that are compared in every slice. A contender is evaluated on the
    rows that it predicts, and compared with the candidate on those; intervals come from one paired bootstrap
    of all test rows.

    evaluation: the declared metrics, slices and bootstrap.

    Raises: EvaluationError for rows or scores that cannot be judged; the message says which and what to do.
    """
    labels = check_labels(test_rows, label)
    check_contenders(contenders, rows=test_rows.height)
    asked = questions(
        contenders,
        slice_rows(test_rows, evaluation.slices),
        compared_in_slices={gate.against for gate in gates if gate.slices},
    )
    populations = _populations(asked, labels, contenders, threshold=threshold, evaluation=evaluation)
    context = AnswerContext(
        labels=labels,
        decisions=contenders[0].scores >= threshold.value,
        confidence=evaluation.confidence,
        minimum_slice_rows=evaluation.minimum_slice_rows,
    )
    estimates = resample_metrics(populations, _resamples(test_rows, evaluation))
    table = estimate_table(asked, estimates, context)
    return _result(table, labels, contenders, evaluation=evaluation, threshold=threshold)


def _populations(
    asked: Sequence[Question],
    labels: Labels,
    contenders: Sequence[Contender],
    *,
    threshold: DecisionThreshold,
    evaluation: Evaluation,
) -> dict[Key, Population]:
    """Every (contender, rows) pair that a question needs, once."""
    by_name = {contender.name: contender for contender in contenders}
    populations: dict[Key, Population] = {}
    for question in asked:
        for key in question.keys:
            if key in populations:
                continue
            contender, of_rows = by_name[key[0]], labels[question.rows]
            scores = contender.scores[question.rows]
            metrics: list[WeightedMetrics] = [RankingMetrics(of_rows, scores)]
            if contender.is_probability:
                metrics.append(ProbabilityMetrics(of_rows, scores))
            if contender.is_probability and question.part is None:
                metrics.append(CalibrationLine(of_rows, scores))
            if contender is contenders[0]:
                metrics.append(
                    DecisionMetrics(of_rows, scores, threshold=threshold.value, cost=evaluation.cost)
                )
            populations[key] = Population(rows=question.rows, metrics=tuple(metrics))
    return populations


def _resamples(test_rows: pl.DataFrame, evaluation: Evaluation) -> Resamples:
    groups = None
    if evaluation.group_column is not None:
        column = evaluation.group_column
        if column not in test_rows.columns or test_rows[column].null_count():
            raise EvaluationError(
                f"evaluation.group_column: the test rows need {column!r} without nulls, since rows are "
                f"resampled by it; they have {', '.join(test_rows.columns)}"
            )
        groups = (test_rows[column].rank("dense").cast(pl.Int64) - 1).to_numpy()
    return Resamples(
        rows=test_rows.height, samples=evaluation.bootstrap_samples, seed=evaluation.seed, groups=groups
    )


def _result(
    estimates: pl.DataFrame,
    labels: Labels,
    contenders: Sequence[Contender],
    *,
    evaluation: Evaluation,
    threshold: DecisionThreshold,
) -> EvaluationResult:
    known = [(c, labels[c.known_rows], c.scores[c.known_rows]) for c in contenders]
    return EvaluationResult(
        candidate=contenders[0].name,
        contenders=tuple(contender.name for contender in contenders),
        primary_metric=evaluation.primary_metric,
        confidence=evaluation.confidence,
        bootstrap_samples=evaluation.bootstrap_samples,
        rows=len(labels),
        positives=int(np.sum(labels)),
        minimum_slice_rows=evaluation.minimum_slice_rows,
        cost_unit=evaluation.cost.unit,
        threshold=threshold,
        estimates=estimates,
        curves=pl.concat([curve_points(c.name, y, s) for c, y, s in known]),
        calibration_bins=pl.concat([calibration_bins(c.name, y, s) for c, y, s in known if c.is_probability]),
        thresholds=threshold_table(labels, contenders[0].scores, cost=evaluation.cost, threshold=threshold),
    )
