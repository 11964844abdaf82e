"""LightGBM's prepared call gives the bits of its prediction."""

import numpy as np

from mlops_assets.core.model.prepared_call import PreparedCall
from mlops_assets_tests.support.small_model import small_model


def test_the_prepared_call_gives_the_bits_of_predict() -> None:
    model = small_model()
    matrix = np.random.default_rng(3).normal(50, 80, (500, len(model.feature_names)))
    matrix[matrix < 0] = np.nan
    call = PreparedCall(model.booster, len(model.feature_names))
    np.testing.assert_array_equal([call(row) for row in matrix.tolist()], model.booster.predict(matrix))
