"""Probability calibrators as plain numbers: what `predict` applies after the booster, and how it is fitted.

A calibrator maps a raw probability to a calibrated one, never reorders two rows, and is stored as JSON.
"""

import itertools
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from mlops_assets.core.errors import PackagingError, TrainingError

Floats = npt.NDArray[np.float64]
CalibrationChoice = Literal["none", "sigmoid", "isotonic", "auto"]

MINIMUM_CLASS_ROWS = 20
"""Rows of the rarer class below which `auto` does not calibrate: each of five folds would hold under four."""
FOLDS = 5
_LOG_ODDS_LIMIT = 1e-15
_NEWTON_STEPS = 100


class Calibrator(Protocol):
    """Maps raw probabilities, shape (n,), to calibrated ones in [0, 1]; non-decreasing; row by row."""

    @property
    def kind(self) -> str:
        """One of none, sigmoid, isotonic."""
        ...

    def apply(self, probability: Floats) -> Floats:
        """Return the calibrated probability, shape as given."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Return what `calibrator_from_json` reads."""
        ...


@dataclass(frozen=True)
class NoCalibrator:
    """Leaves probabilities as they are."""

    kind: Literal["none"] = "none"

    def apply(self, probability: Floats) -> Floats:
        """Return the input."""
        return probability

    def to_json(self) -> dict[str, Any]:
        """Return what `calibrator_from_json` reads."""
        return asdict(self)


@dataclass(frozen=True)
class SigmoidCalibrator:
    """1 / (1 + exp(-(slope · log-odds + intercept))): Platt (1999) on the log-odds of the raw probability."""

    slope: float
    intercept: float
    kind: Literal["sigmoid"] = "sigmoid"

    def apply(self, probability: Floats) -> Floats:
        """Return the calibrated probability, shape as given."""
        return _sigmoid(self.slope * log_odds(probability) + self.intercept)

    def to_json(self) -> dict[str, Any]:
        """Return what `calibrator_from_json` reads."""
        return asdict(self)


@dataclass(frozen=True)
class IsotonicCalibrator:
    """Linear interpolation between `values` at raw probabilities `thresholds`; both strictly increase."""

    thresholds: tuple[float, ...]
    values: tuple[float, ...]
    kind: Literal["isotonic"] = "isotonic"

    def apply(self, probability: Floats) -> Floats:
        """Return the calibrated probability, shape as given.

        Not np.interp: its rounding may pass the right end of a segment by one unit, which would reorder rows.
        """
        x, y = np.array(self.thresholds), np.array(self.values)
        right = np.clip(np.searchsorted(x, probability, side="right"), 1, len(x) - 1)
        left = right - 1
        share = np.clip((probability - x[left]) / (x[right] - x[left]), 0.0, 1.0)
        return np.minimum(y[left] + (y[right] - y[left]) * share, y[right])

    def to_json(self) -> dict[str, Any]:
        """Return what `calibrator_from_json` reads."""
        return asdict(self)


def calibrator_from_json(document: Mapping[str, Any]) -> Calibrator:
    """Rebuild a calibrator from `to_json`.

    Raises: PackagingError when the document is none of ours.
    """
    try:
        match document["kind"]:
            case "none":
                return NoCalibrator()
            case "sigmoid":
                return SigmoidCalibrator(float(document["slope"]), float(document["intercept"]))
            case "isotonic":
                x, y = (tuple(float(v) for v in document[key]) for key in ("thresholds", "values"))
                if len(x) == len(y) >= 2 and all(a < b for a, b in itertools.pairwise(x)):
                    return IsotonicCalibrator(x, y)
    except (KeyError, TypeError, ValueError) as error:
        raise PackagingError(f"calibrator cannot be read: {error!r} in {dict(document)!r:.200}") from error
    raise PackagingError(f"calibrator cannot be read: {dict(document)!r:.200}")


def fit_calibrator(
    probability: Floats, outcome: Floats, *, choice: CalibrationChoice, seed: int
) -> Calibrator:
    """Fit a calibrator on raw probabilities and 0/1 outcomes of rows that the booster was not fitted on.

    `auto` takes the lowest cross-fitted Brier score of none, sigmoid and isotonic on these rows, the simpler
    one on a tie, and none when the rarer class has fewer than MINIMUM_CLASS_ROWS rows.

    Raises: TrainingError when only one class is present and a calibrator has to be fitted.
    """
    if choice == "auto":
        rarer = int(min(outcome.sum(), len(outcome) - outcome.sum()))
        scores = {} if rarer < MINIMUM_CLASS_ROWS else cross_fitted_brier(probability, outcome, seed=seed)
        choice = _simplest_best(scores)
    if choice == "none":
        return NoCalibrator()
    if outcome.min() == outcome.max():
        raise TrainingError(
            f"{choice} calibration needs both classes, but all {len(outcome)} rows have {outcome[0]:g}"
        )
    return _fit_sigmoid(probability, outcome) if choice == "sigmoid" else _fit_isotonic(probability, outcome)


def cross_fitted_brier(probability: Floats, outcome: Floats, *, seed: int) -> dict[CalibrationChoice, float]:
    """Return the Brier score by calibrator, each row judged by a fit on the other folds (seeded)."""
    fold = np.empty(len(outcome), dtype=np.int64)
    generator = np.random.default_rng(seed)
    for value in (0.0, 1.0):
        rows = np.flatnonzero(outcome == value)
        fold[generator.permutation(rows)] = np.arange(len(rows)) % FOLDS
    scores: dict[CalibrationChoice, float] = {"none": float(np.mean((probability - outcome) ** 2))}
    for choice in ("sigmoid", "isotonic"):
        error = np.empty(len(outcome))
        for held_out in range(FOLDS):
            inside, outside = fold != held_out, fold == held_out
            calibrator = fit_calibrator(probability[inside], outcome[inside], choice=choice, seed=seed)
            error[outside] = calibrator.apply(probability[outside]) - outcome[outside]
        scores[choice] = float(np.mean(error**2))
    return scores


def log_odds(probability: Floats) -> Floats:
    """Return log(p / (1 - p)), with p kept 1e-15 away from 0 and 1."""
    clipped = np.clip(probability, _LOG_ODDS_LIMIT, 1 - _LOG_ODDS_LIMIT)
    return np.log(clipped) - np.log1p(-clipped)


def _simplest_best(scores: Mapping[CalibrationChoice, float]) -> CalibrationChoice:
    best: CalibrationChoice = "none"
    for choice, score in scores.items():
        if score < scores[best] and not math.isclose(score, scores[best], rel_tol=1e-9):
            best = choice
    return best


def _sigmoid(x: Floats) -> Floats:
    with np.errstate(over="ignore"):
        return 1.0 / (1.0 + np.exp(-x))


def _fit_sigmoid(probability: Floats, outcome: Floats) -> SigmoidCalibrator:
    """Maximise the likelihood of Platt's smoothed targets, by Newton steps with halving.

    Platt (1999), "Probabilistic outputs for support vector machines"; Lin, Lin and Weng (2007), "A note on
    Platt's probabilistic outputs". A slope below zero would turn the ranking round; the optimum under
    slope >= 0 is then slope 0.
    """
    x = log_odds(probability)
    positives = float(outcome.sum())
    negatives = len(outcome) - positives
    target = np.where(outcome == 1.0, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(slope: float, intercept: float) -> float:
        z = slope * x + intercept
        return float(np.sum(np.logaddexp(0.0, z) - target * z))

    slope, intercept = 0.0, math.log((positives + 1) / (negatives + 1))
    value = loss(slope, intercept)
    for _ in range(_NEWTON_STEPS):
        slope_step, intercept_step = _newton_step(x, target, slope=slope, intercept=intercept)
        scale = 1.0
        while (candidate := loss(slope - scale * slope_step, intercept - scale * intercept_step)) > value:
            scale /= 2
            if scale < 1e-10:
                break
        if value - candidate < 1e-12 * abs(value):
            break
        slope, intercept = slope - scale * slope_step, intercept - scale * intercept_step
        value = candidate
    if slope <= 0:
        mean = float(target.mean())
        return SigmoidCalibrator(slope=0.0, intercept=math.log(mean / (1 - mean)))
    return SigmoidCalibrator(slope=slope, intercept=intercept)


def _newton_step(x: Floats, target: Floats, *, slope: float, intercept: float) -> tuple[float, float]:
    # Plain sums, no matrix product: BLAS rounds differently with the number of its threads.
    fitted = _sigmoid(slope * x + intercept)
    error, curvature = fitted - target, fitted * (1 - fitted)
    slope_gradient, intercept_gradient = float(np.sum(error * x)), float(np.sum(error))
    xx, x1 = float(np.sum(curvature * x * x)), float(np.sum(curvature * x))
    ones = float(np.sum(curvature))
    ridge = 1e-9 * (xx + ones) + 1e-12  # equal x, or curvature rounded to zero, would divide by zero
    xx, ones = xx + ridge, ones + ridge
    determinant = xx * ones - x1 * x1
    return (
        (ones * slope_gradient - x1 * intercept_gradient) / determinant,
        (xx * intercept_gradient - x1 * slope_gradient) / determinant,
    )


def _fit_isotonic(probability: Floats, outcome: Floats) -> IsotonicCalibrator:
    """Pool adjacent violators, then centre each block.

    Oron and Flournoy (2017), "Centered isotonic regression". Plain isotonic steps tie all rows of a block,
    which costs ranking metrics; centred blocks with interpolation are strictly increasing. One pseudo-outcome
    of the other class at either end keeps the end blocks off 0 and 1, so that the anchors (0, 0) and (1, 1)
    continue the curve without a tie.
    """
    from sklearn.isotonic import isotonic_regression

    levels, index = np.unique(np.concatenate([[0.0, 1.0], probability]), return_inverse=True)
    weight = np.bincount(index).astype(np.float64)
    mean = np.bincount(index, weights=np.concatenate([[1.0, 0.0], outcome])) / weight
    fitted = isotonic_regression(mean, sample_weight=weight)
    real = weight - np.isin(levels, (0.0, 1.0))
    block = np.concatenate([[0], np.cumsum(np.diff(fitted) > 0)])
    rows = np.bincount(block, weights=real)
    centre = np.bincount(block, weights=real * levels) / np.maximum(rows, 1.0)
    value = fitted[np.searchsorted(block, np.arange(block[-1] + 1))]
    kept = (rows > 0) & (centre > 0.0) & (centre < 1.0)
    x = np.concatenate([[0.0], centre[kept], [1.0]])
    y = np.concatenate([[0.0], value[kept], [1.0]])
    return IsotonicCalibrator(thresholds=tuple(x.tolist()), values=tuple(y.tolist()))
