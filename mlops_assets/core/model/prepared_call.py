"""LightGBM's prepared call for single rows, which its Python package does not offer.

`LGBM_BoosterPredictForMatSingleRowFast` of LightGBM's C API is documented; the loaded library and a booster's handle,
which it needs, are private in Python (docs/upstream/lightgbm-single-row.md).
"""

import ctypes
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlops_assets.core.errors import PackagingError

if TYPE_CHECKING:
    import lightgbm

_NORMAL_PREDICTION = 0  # C_API_PREDICT_NORMAL
_FLOAT64 = 1  # C_API_DTYPE_FLOAT64
_ALL_ITERATIONS = -1


class PreparedCall:
    """The raw score of one row of `columns` numbers; belongs to one thread, since its row buffer is reused."""

    def __init__(self, booster: "lightgbm.Booster", columns: int) -> None:
        """Prepare the call.

        Raises: AttributeError or ImportError when a private name is not there; PackagingError when LightGBM refuses.
        """
        from lightgbm.libpath import _LIB

        self._booster = booster  # the prepared call points into it
        self._row = (ctypes.c_double * columns)()
        self._length, self._score = ctypes.c_int64(), ctypes.c_double()
        self._free = _LIB.LGBM_FastConfigFree
        self._predict = _LIB.LGBM_BoosterPredictForMatSingleRowFast
        self._config = ctypes.c_void_p()
        failed = _LIB.LGBM_BoosterPredictForMatSingleRowFastInit(
            booster._handle,  # pyright: ignore[reportAttributeAccessIssue]
            ctypes.c_int(_NORMAL_PREDICTION),
            ctypes.c_int(0),
            ctypes.c_int(_ALL_ITERATIONS),
            ctypes.c_int(_FLOAT64),
            ctypes.c_int32(columns),
            ctypes.c_char_p(b"num_threads=1"),
            ctypes.byref(self._config),
        )
        if failed:
            raise PackagingError("LightGBM cannot score single rows of this model")
        self._arguments = (
            self._config,
            ctypes.byref(self._row),
            ctypes.byref(self._length),
            ctypes.byref(self._score),
        )

    def __call__(self, row: Sequence[float]) -> float:
        """Return the raw score; NaN is a missing value.

        Raises: PackagingError when LightGBM fails.
        """
        self._row[:] = row
        if self._predict(*self._arguments) != 0:
            raise PackagingError("LightGBM could not score a row: the booster in memory is damaged")
        return self._score.value

    def __del__(self) -> None:
        if config := getattr(self, "_config", None):
            self._free(config)
