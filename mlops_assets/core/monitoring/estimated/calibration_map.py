"""From the champion's score to the probability of the label in a window's population, with its uncertainty."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlops_assets.core.evaluation.metrics import Floats
from mlops_assets.core.monitoring.estimated.scored_rows import Integers

_CLIP = 1e-6
_IDENTITY = np.array([0.0, 1.0, 1.0])
_PRIOR_PRECISION = np.eye(3)
"""A prior of standard deviation 1 around the score as it is: a reference of few labels leaves the score alone."""
_NEWTON_STEPS = 50


@dataclass(frozen=True)
class CalibrationMap:
    """logit P(y = 1) = a + b·ln(s) - c·ln(1 - s), the beta calibration (Kull, Silva Filho & Flach 2017, AISTATS)."""

    coefficients: Floats
    """(a, b, c); (0, 1, 1) leaves the score as it is."""
    covariance: Floats

    def probability(self, scores: Floats, coefficients: Floats | None = None) -> Floats:
        """Return P(y = 1) per row; of further coefficients, shape (3, samples), the shape is (rows, samples)."""
        chosen = self.coefficients if coefficients is None else coefficients
        return _sigmoid(_design(scores) @ chosen)

    def log_odds(self, scores: Floats, coefficients: Floats) -> npt.NDArray[np.float32]:
        """Return the log-odds of y = 1, (rows, samples), of coefficients of shape (3, samples), in single precision."""
        return _design(scores).astype(np.float32) @ coefficients.astype(np.float32)

    def draws(self, samples: int, generator: np.random.Generator) -> Floats:
        """Draw coefficients, (3, samples), from the normal law of the estimate."""
        return generator.multivariate_normal(self.coefficients, self.covariance, size=samples).T


def fit_map(scores: Floats, labels: Floats, *, weights: Floats, groups: Integers) -> CalibrationMap:
    """Fit the map on labelled rows by weighted maximum likelihood; the covariance is robust to groups of rows.

    scores, labels: of the reference. weights: of its rows in the window's population; they are scaled to sum to their
    effective number. groups: of rows that are not independent. Covariance: H⁻¹ (Σ over groups of g gᵀ) H⁻¹ with the
    groups' gradients g (Liang & Zeger 1986, Biometrika 73), the prior's share added.
    """
    design = _design(scores)
    weights = weights * weights.sum() / (weights**2).sum()
    beta = _maximum(design, labels, weights)
    fitted = _sigmoid(design @ beta)
    residual = weights * (labels - fitted)
    by_group = np.stack([np.bincount(groups, weights=residual * column) for column in design.T])
    inverse = np.linalg.inv(_information(design, weights, fitted))
    covariance = inverse @ (by_group @ by_group.T + _PRIOR_PRECISION) @ inverse
    covariance = (covariance + covariance.T) / 2
    return CalibrationMap(_towards_the_score(beta, covariance), covariance)


def _towards_the_score(beta: Floats, covariance: Floats) -> Floats:
    """Shrink the map to the score as it is, the more the less surely the two differ (Efron & Morris 1973, JASA 68).

    If maps lie around the score with t times the covariance of their estimates, the squared distance is 3·(1 + t) on
    average, and t / (1 + t) of the difference is to be believed.
    """
    difference = beta - _IDENTITY
    distance = float(difference @ np.linalg.solve(covariance, difference))
    return _IDENTITY + max(0.0, 1 - len(beta) / max(distance, 1e-12)) * difference


def _maximum(design: Floats, labels: Floats, weights: Floats) -> Floats:
    """Return the most likely coefficients under the prior, by Newton steps with halving."""

    def loss(beta: Floats) -> float:
        logits, distance = design @ beta, beta - _IDENTITY
        return float(
            weights @ (np.logaddexp(0, logits) - labels * logits) + distance @ _PRIOR_PRECISION @ distance / 2
        )

    beta = _IDENTITY.copy()
    for _ in range(_NEWTON_STEPS):
        fitted = _sigmoid(design @ beta)
        gradient = design.T @ (weights * (labels - fitted)) - _PRIOR_PRECISION @ (beta - _IDENTITY)
        step: Floats = np.linalg.solve(_information(design, weights, fitted), gradient).astype(np.float64)
        while loss(beta + step) > loss(beta) and np.max(np.abs(step)) > 1e-9:
            step *= 0.5
        beta += step
        if np.max(np.abs(step)) <= 1e-9:
            break
    return beta


def _information(design: Floats, weights: Floats, fitted: Floats) -> Floats:
    return (design.T * (weights * fitted * (1 - fitted))) @ design + _PRIOR_PRECISION


def _design(scores: Floats) -> Floats:
    clipped = np.clip(scores, _CLIP, 1 - _CLIP)
    columns: list[Floats] = [np.ones(len(scores)), np.log(clipped), -np.log1p(-clipped)]
    return np.stack(columns, axis=1)


def _sigmoid(logits: Floats) -> Floats:
    return 1 / (1 + np.exp(-np.clip(logits, -500, 500)))
