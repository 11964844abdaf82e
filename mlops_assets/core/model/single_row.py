"""Scores one feature vector at a time, faster than a batch of one row, and to the same last bit.

A service answers rows one by one. `Booster.predict` spends most of such a call on building and checking arrays. Where
LightGBM's prepared call (`prepared_call.py`) is not as known, it scores all the same, only slower.
"""

import logging
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mlops_assets.core.errors import PackagingError
from mlops_assets.core.model.calibration import Calibrator, IsotonicCalibrator, NoCalibrator
from mlops_assets.core.model.prepared_call import PreparedCall
from mlops_assets.core.model.trained_model import TrainedModel

if TYPE_CHECKING:
    import lightgbm

RawScore = Callable[[Sequence[float]], float]
_NAN = float("nan")
_log = logging.getLogger(__name__)


class SingleRowScorer:
    """The calibrated probability of one row of a model; equal to `TrainedModel.predict_matrix` to the last bit.

    One object belongs to one thread: its row buffer is reused. The model may be shared.
    """

    def __init__(self, model: TrainedModel) -> None:
        """Prepare the call."""
        self._raw = _raw_score(model.booster, len(model.feature_names))
        self._calibrate = calibrate_one(model.calibrator)

    def score(self, features: Sequence[float | None]) -> float:
        """Return the calibrated probability of outcome 1; None is a missing value.

        Raises: PackagingError when LightGBM fails.
        """
        return self._calibrate(self._raw([_NAN if value is None else value for value in features]))


def calibrate_one(calibrator: Calibrator) -> Callable[[float], float]:
    """Return the calibrator for one probability, equal to `apply` to the last bit."""
    if isinstance(calibrator, NoCalibrator):
        return float
    if isinstance(calibrator, IsotonicCalibrator):
        return _isotonic(calibrator)
    # Not math.log and math.exp: the C library rounds them differently from NumPy in rare last bits.
    return lambda probability: float(calibrator.apply(np.array([probability]))[0])


def _isotonic(calibrator: IsotonicCalibrator) -> Callable[[float], float]:
    x, y = calibrator.thresholds, calibrator.values
    last = len(x) - 1

    def calibrated(probability: float) -> float:
        right = min(max(bisect_right(x, probability), 1), last)
        left = right - 1
        share = min(max((probability - x[left]) / (x[right] - x[left]), 0.0), 1.0)
        return min(y[left] + (y[right] - y[left]) * share, y[right])

    return calibrated


def _raw_score(booster: "lightgbm.Booster", columns: int) -> RawScore:
    """Return LightGBM's prepared call; where it is not as known, or gives another bit, `Booster.predict`."""

    def predicted(row: Sequence[float]) -> float:
        return float(np.asarray(booster.predict(np.array([row]), num_threads=1))[0])

    try:
        prepared = PreparedCall(booster, columns)
        samples = [[value] * columns for value in (_NAN, -1.0, 0.0, 1.0, 1e6)]
        different = [row for row in samples if prepared(row) != predicted(row)]
        problem = f"it gives another score of {different[0][:1]}" if different else None
    except (AttributeError, ImportError, PackagingError) as error:
        problem = repr(error)
    if problem is None:
        return prepared
    _log.warning(
        "LightGBM's prepared call for single rows is not as this version of mlops-assets knows it (%s): rows are "
        "scored by Booster.predict, to the same bits, in two to three times the time.",
        problem,
    )
    return predicted
