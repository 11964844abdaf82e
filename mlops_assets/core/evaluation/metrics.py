"""Metrics of scores against 0/1 labels, computed under many row weightings at once.

A weighting is a column of a (rows, samples) matrix: a bootstrap resample is a column of counts, the sample
itself is a column of ones. Sorting is done once per set of scores; what remains per weighting is sums, so a
thousand resamples of 70,000 rows take well under a second. Where rows are drawn in groups, `of_groups` sums each
group's rows once, and a weighting has a weight per group.
"""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
import numpy.typing as npt

from mlops_assets.core.product_spec import Cost

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int8]
"""0 or 1 per row."""

CALIBRATION_BINS = 10
"""Equal-mass bins of the calibration error. Equal mass, since under rare positives nearly all equal-width
bins are empty (Nixon et al. 2019, Measuring Calibration in Deep Learning)."""
_LOGIT_CLIP = 1e-6
"""Probabilities are kept this far from 0 and 1 where their logit is taken."""


@dataclass(frozen=True)
class Metric:
    """What a metric's number means."""

    title: str
    direction: Literal[1, 0, -1]
    """1: higher is better; -1: lower is better; 0: neither, so that it is never compared or gated."""
    needs_probability: bool = False
    """Undefined for a score that only ranks."""
    is_folded: bool = False
    """A sum of absolute values or a maximum of differences: noise can only raise it, and resampling adds
    noise again."""


METRICS: Mapping[str, Metric] = {
    "auc": Metric("area under the ROC curve", 1),
    "average_precision": Metric("average precision", 1),
    "brier": Metric("Brier score", -1, needs_probability=True),
    "log_loss": Metric("log loss (nats)", -1, needs_probability=True),
    "calibration_error": Metric("expected calibration error", -1, needs_probability=True, is_folded=True),
    "calibration_slope": Metric("calibration slope (ideal 1)", 0, needs_probability=True),
    "calibration_intercept": Metric("calibration intercept (ideal 0, logits)", 0, needs_probability=True),
    "precision": Metric("precision at the threshold", 1, needs_probability=True),
    "true_positive_rate": Metric("recall (true positive rate) at the threshold", 1, needs_probability=True),
    "false_positive_rate": Metric("false positive rate at the threshold", -1, needs_probability=True),
    "selection_rate": Metric("share of rows flagged at the threshold", 0, needs_probability=True),
    "cost_per_row": Metric("cost per row at the threshold", -1, needs_probability=True),
    "calibration_bias": Metric("mean prediction minus observed rate", 0, needs_probability=True),
    "true_positive_rate_gap": Metric(
        "largest difference of the true positive rate between groups",
        -1,
        needs_probability=True,
        is_folded=True,
    ),
    "selection_rate_gap": Metric(
        "largest difference of the selection rate between groups", -1, needs_probability=True, is_folded=True
    ),
}


class Groups:
    """Which group each of some rows belongs to: sums over rows become sums over groups."""

    def __init__(self, group_of_row: npt.NDArray[np.int64], *, groups: int) -> None:
        """group_of_row: a number from 0 on. groups: how many there are, also those that none of the rows is of."""
        from scipy.sparse import csr_matrix

        rows = len(group_of_row)
        self._members = csr_matrix((np.ones(rows), (np.arange(rows), group_of_row)), shape=(rows, groups))

    def summed(self, terms: Floats) -> Floats:
        """Add up (terms, rows) to (terms, groups)."""
        return np.ascontiguousarray((self._members.T @ terms.T).T)

    def summed_sparse(self, terms: "csr_matrix") -> "csr_matrix":
        """Add up sparse (terms, rows) to sparse (terms, groups)."""
        return terms @ self._members


class RankingMetrics:
    """`auc` and `average_precision` of fixed scores under weightings; equal to scikit-learn's, ties included.

    Only the distinct scores of positives matter to either curve, so every row falls into one of 3k + 1 cells
    (k distinct positive scores: the positives there, the negatives tied with them, the negatives in between),
    and a weighting is reduced to its sums per cell. AUC is Mann-Whitney's with ties counted half (Hanley &
    McNeil 1982); average precision is the step-wise sum of precision over recall gained, without
    interpolation (Davis & Goadrich 2006).
    """

    def __init__(self, labels: Labels, scores: Floats) -> None:
        from scipy.sparse import csr_matrix

        is_positive = labels == 1
        cuts, positive_cell = np.unique(scores[is_positive], return_inverse=True)
        below = np.searchsorted(cuts, scores[~is_positive], side="left")
        is_tied = np.searchsorted(cuts, scores[~is_positive], side="right") > below
        self._cuts = len(cuts)
        cell = np.empty(len(labels), dtype=np.int64)
        cell[is_positive] = positive_cell
        cell[~is_positive] = below + np.where(is_tied, self._cuts, 2 * self._cuts)
        shape = (3 * self._cuts + 1, len(labels))
        self.cells = csr_matrix((np.ones(len(labels)), (cell, np.arange(len(labels)))), shape=shape)

    def of_groups(self, groups: Groups) -> Self:
        """Return the same metrics under weightings of whole groups of rows."""
        summed = copy(self)
        summed.cells = groups.summed_sparse(self.cells)
        return summed

    def __call__(self, weights: Floats) -> dict[str, Floats]:
        """One value per weighting; NaN where a weighting has no positive or no negative."""
        sums = self.cells @ weights
        positive, tied, between = np.split(sums, [self._cuts, 2 * self._cuts])
        positives, negatives = positive.sum(axis=0), tied.sum(axis=0) + between.sum(axis=0)
        negatives_below = np.cumsum(between[:-1] + tied, axis=0) - tied
        true_positives = positives - np.cumsum(positive, axis=0) + positive
        flagged = true_positives + negatives - negatives_below
        with np.errstate(invalid="ignore", divide="ignore"):
            precision = np.where(positive > 0, true_positives / flagged, 0.0)
            auc = (positive * (negatives_below + tied / 2)).sum(axis=0) / (positives * negatives)
            average_precision = (positive * precision).sum(axis=0) / positives
        both = (positives > 0) & (negatives > 0)
        return {"auc": _where(both, auc), "average_precision": _where(both, average_precision)}


class ProbabilityMetrics:
    """`brier`, `log_loss`, `calibration_error`, `calibration_bias` of fixed probabilities under weightings.

    Brier 1950; expected calibration error over equal-mass bins whose edges are those of the given rows
    (Naeini et al. 2015, Nixon et al. 2019): sum over bins of |sum of weight × (probability - label)|, by
    total weight. Log loss clips probabilities at the float's epsilon, as scikit-learn does.
    """

    def __init__(self, labels: Labels, probabilities: Floats) -> None:
        from scipy.sparse import csr_matrix

        error = probabilities - labels
        epsilon = np.finfo(np.float64).eps
        of_truth = np.clip(np.where(labels == 1, probabilities, 1 - probabilities), epsilon, 1.0)
        self.linear = np.stack([np.ones(len(labels)), error**2, -np.log(of_truth), error])
        bins = equal_mass_bins(probabilities)
        self.bins = csr_matrix((error, (bins, np.arange(len(labels)))))

    def of_groups(self, groups: Groups) -> Self:
        """Return the same metrics under weightings of whole groups of rows."""
        summed = copy(self)
        summed.linear, summed.bins = groups.summed(self.linear), groups.summed_sparse(self.bins)
        return summed

    def __call__(self, weights: Floats) -> dict[str, Floats]:
        """One value per weighting; NaN where a weighting is zero everywhere."""
        total, squared, log_loss, error = self.linear @ weights
        with np.errstate(invalid="ignore", divide="ignore"):
            return {
                "brier": squared / total,
                "log_loss": log_loss / total,
                "calibration_error": np.abs(self.bins @ weights).sum(axis=0) / total,
                "calibration_bias": error / total,
            }


class CalibrationLine:
    """`calibration_slope` and `calibration_intercept` of fixed probabilities under weightings.

    Slope: b of logit P(y=1) = a + b·logit(p) (Cox 1958). Intercept: a with b held at 1, calibration in the
    large (Van Calster et al. 2019, Calibration: the Achilles heel of predictive analytics). Fitted once on
    the given rows; a weighting moves the fit by one Newton step (Schucany & Wang 1991, One-step
    bootstrapping).
    """

    def __init__(self, labels: Labels, probabilities: Floats) -> None:
        logit = _logit(probabilities)
        design = np.stack([np.ones(len(logit)), logit])
        # NaN where not identified: slope of a constant prediction, of one class, of separated rows.
        self._line = _fit_logistic(design, labels, offset=np.zeros(len(logit)))
        self._shift = _fit_logistic(design[:1], labels, offset=logit)
        self.line_steps = _newton_terms(design, labels, np.zeros(len(logit)), self._line)
        self.shift_steps = _newton_terms(design[:1], labels, logit, self._shift)

    def of_groups(self, groups: Groups) -> Self:
        """Return the same metrics under weightings of whole groups of rows."""
        summed = copy(self)
        summed.line_steps, summed.shift_steps = (
            groups.summed(self.line_steps),
            groups.summed(self.shift_steps),
        )
        return summed

    def __call__(self, weights: Floats) -> dict[str, Floats]:
        """One value per weighting; NaN where it is not identified."""
        g0, g1, h00, h01, h11 = self.line_steps @ weights
        shift_g, shift_h = self.shift_steps @ weights
        with np.errstate(invalid="ignore", divide="ignore"):
            slope = self._line[1] + (h00 * g1 - h01 * g0) / (h00 * h11 - h01**2)
            intercept = self._shift[0] + shift_g / shift_h
        return {"calibration_slope": slope, "calibration_intercept": intercept}


class DecisionMetrics:
    """Rates and cost of flagging every row whose probability is at or above a threshold, under weightings.

    `precision`, `true_positive_rate`, `false_positive_rate`, `selection_rate`, and `cost_per_row` in
    `cost.unit`.
    """

    def __init__(self, labels: Labels, probabilities: Floats, *, threshold: float, cost: Cost) -> None:
        flagged = probabilities >= threshold
        positive = labels == 1
        self.linear = np.stack([flagged & positive, flagged & ~positive, positive, ~positive]).astype(
            np.float64
        )
        self._cost = cost

    def of_groups(self, groups: Groups) -> Self:
        """Return the same metrics under weightings of whole groups of rows."""
        summed = copy(self)
        summed.linear = groups.summed(self.linear)
        return summed

    def __call__(self, weights: Floats) -> dict[str, Floats]:
        """One value per weighting; NaN where the rate's denominator is zero."""
        true_positives, false_positives, positives, negatives = self.linear @ weights
        flagged, total = true_positives + false_positives, positives + negatives
        missed = positives - true_positives
        cost = self._cost.false_positive * false_positives + self._cost.false_negative * missed
        with np.errstate(invalid="ignore", divide="ignore"):
            return {
                "precision": true_positives / flagged,
                "true_positive_rate": true_positives / positives,
                "false_positive_rate": false_positives / negatives,
                "selection_rate": flagged / total,
                "cost_per_row": cost / total,
            }


def auc(labels: Labels, scores: Floats) -> float:
    """Area under the ROC curve of the rows as they are; NaN when a class is missing."""
    return float(RankingMetrics(labels, scores)(np.ones((len(labels), 1)))["auc"][0])


def average_precision(labels: Labels, scores: Floats) -> float:
    """Average precision of the rows as they are; NaN when a class is missing."""
    return float(RankingMetrics(labels, scores)(np.ones((len(labels), 1)))["average_precision"][0])


def brier(labels: Labels, probabilities: Floats) -> float:
    """Mean squared difference of probability and label; NaN without rows."""
    return float(np.mean((probabilities - labels) ** 2)) if len(labels) else float("nan")


@dataclass(frozen=True)
class ThresholdCurve:
    """Rates at every distinct score as threshold, highest first; `score >= threshold` is flagged."""

    threshold: Floats
    true_positives: Floats
    false_positives: Floats
    positives: int
    negatives: int

    @property
    def precision(self) -> Floats:
        """Share of the flagged rows that are positive."""
        return self.true_positives / (self.true_positives + self.false_positives)

    @property
    def recall(self) -> Floats:
        """Share of the positives that are flagged."""
        return self.true_positives / max(self.positives, 1)

    @property
    def false_positive_rate(self) -> Floats:
        """Share of the negatives that are flagged."""
        return self.false_positives / max(self.negatives, 1)


def threshold_curve(labels: Labels, scores: Floats) -> ThresholdCurve:
    """Count true and false positives at each distinct score."""
    order = np.argsort(-scores, kind="stable")
    ranked, positive = scores[order], labels[order] == 1
    is_last_of_tie = np.append(ranked[1:] != ranked[:-1], True) if len(ranked) else np.zeros(0, dtype=bool)
    flagged = np.arange(1, len(ranked) + 1, dtype=np.float64)[is_last_of_tie]
    true_positives = np.cumsum(positive, dtype=np.float64)[is_last_of_tie]
    return ThresholdCurve(
        threshold=ranked[is_last_of_tie],
        true_positives=true_positives,
        false_positives=flagged - true_positives,
        positives=int(positive.sum()),
        negatives=int((~positive).sum()),
    )


def equal_mass_bins(scores: Floats, *, bins: int = CALIBRATION_BINS) -> npt.NDArray[np.int64]:
    """Bin index (from 0, without gaps) of each score; equal scores share a bin, so ties make fewer and uneven
    bins.
    """
    if len(scores) == 0:
        return np.zeros(0, dtype=np.int64)
    edges = np.quantile(scores, np.arange(1, bins) / bins, method="higher")
    return np.unique(np.searchsorted(edges, scores, side="right"), return_inverse=True)[1].astype(np.int64)


def _where(is_defined: Booleans, values: Floats) -> Floats:
    return np.where(is_defined, values, np.nan)


def _logit(probabilities: Floats) -> Floats:
    clipped = np.clip(probabilities, _LOGIT_CLIP, 1 - _LOGIT_CLIP)
    return np.log(clipped / (1 - clipped))


def _sigmoid(logits: Floats) -> Floats:
    return 1 / (1 + np.exp(-np.clip(logits, -500, 500)))


def _fit_logistic(design: Floats, labels: Labels, *, offset: Floats) -> Floats:
    """Maximum likelihood by Newton's method; NaN where the information is singular or 50 steps do not
    settle.
    """
    beta = np.zeros(len(design))
    for _ in range(50):
        mean = _sigmoid(offset + beta @ design)
        information = (design * (mean * (1 - mean))) @ design.T
        if np.linalg.cond(information) > 1e12:
            break
        step = np.linalg.solve(information, design @ (labels - mean))
        beta = beta + np.clip(step, -5, 5)
        if np.max(np.abs(step)) < 1e-10:
            return beta
    return np.full(len(design), np.nan)


def _newton_terms(design: Floats, labels: Labels, offset: Floats, beta: Floats) -> Floats:
    """Per-row gradient terms, then the upper triangle of the information, one row of the result each."""
    mean = _sigmoid(offset + beta @ design)
    variance = mean * (1 - mean)
    rows = len(design)
    gradient = design * (labels - mean)
    information = [variance * design[i] * design[j] for i in range(rows) for j in range(i, rows)]
    return np.vstack([gradient, *information])
