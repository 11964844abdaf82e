"""Scores one feature vector at a time, several times faster than a batch of one row, and to the same last bit.

A service answers rows one by one. `Booster.predict` spends most of such a call on building and checking arrays;
LightGBM's C API keeps a prepared call for single rows (`LGBM_BoosterPredictForMatSingleRowFast`), which the Python
package does not offer.
"""

import ctypes
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mlops_assets.core.errors import PackagingError
from mlops_assets.core.model.calibration import Calibrator, IsotonicCalibrator, NoCalibrator
from mlops_assets.core.model.trained_model import TrainedModel

if TYPE_CHECKING:
    import lightgbm

_NORMAL_PREDICTION = 0  # C_API_PREDICT_NORMAL
_FLOAT64 = 1  # C_API_DTYPE_FLOAT64
_ALL_ITERATIONS = -1
_NAN = float("nan")


class SingleRowScorer:
    """The calibrated probability of one row of a model; equal to `TrainedModel.predict_matrix` to the last bit.

    One object belongs to one thread: its row buffer is reused. The model may be shared.
    """

    def __init__(self, model: TrainedModel) -> None:
        """Prepare the call.

        Raises: PackagingError when LightGBM refuses the booster.
        """
        from lightgbm.libpath import _LIB

        self._model = model  # the prepared call points into the model's booster
        self._row = (ctypes.c_double * len(model.feature_names))()
        self._length, self._score = ctypes.c_int64(), ctypes.c_double()
        self._config = _prepared(model.booster, len(model.feature_names))
        self._free = _LIB.LGBM_FastConfigFree
        self._arguments = (
            self._config,
            ctypes.byref(self._row),
            ctypes.byref(self._length),
            ctypes.byref(self._score),
        )
        self._predict = _LIB.LGBM_BoosterPredictForMatSingleRowFast
        self._calibrate = calibrate_one(model.calibrator)

    def score(self, features: Sequence[float | None]) -> float:
        """Return the calibrated probability of outcome 1; None is a missing value.

        Raises: PackagingError when LightGBM fails.
        """
        self._row[:] = [_NAN if value is None else value for value in features]
        if self._predict(*self._arguments) != 0:
            raise PackagingError("LightGBM could not score a row: the booster in memory is damaged")
        return self._calibrate(self._score.value)

    def __del__(self) -> None:
        if config := getattr(self, "_config", None):
            self._free(config)


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


def _prepared(booster: "lightgbm.Booster", columns: int) -> ctypes.c_void_p:
    from lightgbm.libpath import _LIB

    config = ctypes.c_void_p()
    failed = _LIB.LGBM_BoosterPredictForMatSingleRowFastInit(
        booster._handle,  # pyright: ignore[reportAttributeAccessIssue]
        ctypes.c_int(_NORMAL_PREDICTION),
        ctypes.c_int(0),
        ctypes.c_int(_ALL_ITERATIONS),
        ctypes.c_int(_FLOAT64),
        ctypes.c_int32(columns),
        ctypes.c_char_p(b"num_threads=1"),
        ctypes.byref(config),
    )
    if failed:
        message = _LIB.LGBM_GetLastError
        message.restype = ctypes.c_char_p
        raise PackagingError(f"LightGBM cannot score single rows of this model: {message().decode()}")
    return config
