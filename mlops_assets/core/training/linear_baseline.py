"""What a candidate has to beat: a logistic regression and a constant, fitted on the same train rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from mlops_assets.core.errors import TrainingError
from mlops_assets.core.model.trained_model import feature_matrix
from mlops_assets.core.runtime.threads import one_blas_thread
from mlops_assets.core.training.data import Floats, outcomes_of, prepare_training_data

if TYPE_CHECKING:
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression

INVERSE_PENALTIES = (0.001, 0.01, 0.1, 1.0, 10.0)
"""Values of scikit-learn's C that validation rows choose from."""


@dataclass(frozen=True, eq=False)
class LinearBaseline:
    """A fitted logistic regression; lives as long as one evaluation and is not stored."""

    feature_names: tuple[str, ...]
    inverse_penalty: float
    """C with the lowest log loss on the validation rows."""
    train_rows: int
    """Train rows that it was fitted on; fewer than there are when `maximum_rows` cut in."""
    preparation: "ColumnTransformer"
    regression: "LogisticRegression"

    def predict(self, frame: pl.DataFrame) -> npt.NDArray[np.float64]:
        """Return the probability of outcome 1, shape (rows,); null features are imputed as at the fit.

        Raises: FeatureError for a missing or non-numeric feature column, and for a NaN or infinite value.
        """
        if frame.is_empty():
            return np.empty(0, dtype=np.float64)
        with one_blas_thread():
            prepared = self.preparation.transform(feature_matrix(frame, self.feature_names))
            return self.regression.predict_proba(prepared)[:, 1]


def fit_logistic(
    training_set: pl.DataFrame,
    *,
    feature_names: Sequence[str],
    label: str,
    seed: int,
    categorical: Sequence[str] = (),
    maximum_rows: int = 100_000,
) -> LinearBaseline:
    """Fit a logistic regression on train rows; validation rows choose the penalty, test rows are not read.

    Numbers: median for null and an indicator of it, then standardised. `categorical`: integer codes, one
    column per code that train rows have, null as a code of its own. With more than `maximum_rows` train rows
    a seeded sample of that many is fitted, with the same share of outcomes.

    training_set: rows with the features, the label and `split`. feature_names: in the order in which the model takes
    them. label: the column of outcomes, 0 or 1. seed: of the sample.

    Raises: TrainingError or FeatureError for the same rows and columns as `training.fit`, and for a name in
    `categorical` that is no feature.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss

    unknown = sorted(set(categorical) - set(feature_names))
    if unknown:
        raise TrainingError(f"categorical names {', '.join(unknown)}, which is not among the features")
    data = prepare_training_data(training_set, feature_names=feature_names, label=label)
    rows = _sample(data.train.outcomes, maximum_rows=maximum_rows, seed=seed)
    features, outcomes = data.train.features[rows], data.train.outcomes[rows]
    preparation = _preparation([name in set(categorical) for name in feature_names])
    losses, fits = [], []
    with one_blas_thread():
        train = preparation.fit_transform(features)
        validation = preparation.transform(data.validation.features)
        for inverse_penalty in INVERSE_PENALTIES:
            fits.append(LogisticRegression(C=inverse_penalty, max_iter=1000).fit(train, outcomes))
            losses.append(log_loss(data.validation.outcomes, fits[-1].predict_proba(validation)[:, 1]))
    best = int(np.argmin(losses))
    return LinearBaseline(
        feature_names=tuple(feature_names),
        inverse_penalty=INVERSE_PENALTIES[best],
        train_rows=len(rows),
        preparation=preparation,
        regression=fits[best],
    )


def constant_baseline(training_set: pl.DataFrame, label: str) -> float:
    """Return the share of outcome 1 among the train rows, the best constant forecast (Brier score, log loss).

    Raises: TrainingError when there are no train rows, a label is not 0 or 1, or only one class is present.
    """
    train = training_set.filter(pl.col("split") == "train")
    return float(outcomes_of(train, label=label, where="train rows of the training set").mean())


def _preparation(is_categorical: Sequence[bool]) -> "ColumnTransformer":
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True), StandardScaler()
    )
    codes = make_pipeline(
        SimpleImputer(strategy="constant", fill_value=-1.0),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    is_code = np.array(is_categorical, dtype=bool)
    return ColumnTransformer(
        [("numbers", numbers, np.flatnonzero(~is_code)), ("codes", codes, np.flatnonzero(is_code))]
    )


def _sample(outcomes: Floats, *, maximum_rows: int, seed: int) -> npt.NDArray[np.int64]:
    """Return row numbers, ascending: all, or a seeded sample with the same share of outcomes."""
    if len(outcomes) <= maximum_rows:
        return np.arange(len(outcomes))
    generator = np.random.default_rng(seed)
    kept = []
    for value in (0.0, 1.0):
        rows = np.flatnonzero(outcomes == value)
        size = max(1, round(len(rows) * maximum_rows / len(outcomes)))
        kept.append(generator.choice(rows, size=size, replace=False))
    return np.sort(np.concatenate(kept))
