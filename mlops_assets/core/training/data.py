"""A training set as boosting reads it: checked matrices of train and validation rows, and their binned form.

Test rows never enter here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from mlops_assets.core.errors import FeatureError, TrainingError
from mlops_assets.core.model.trained_model import SplitCount, feature_matrix
from mlops_assets.core.runtime.threads import let_waiting_threads_sleep

if TYPE_CHECKING:
    import lightgbm

Floats = npt.NDArray[np.float64]

BINNING_PARAMETERS = frozenset(
    {
        "bin_construct_sample_cnt",
        "categorical_feature",
        "data_random_seed",
        "enable_bundle",
        "feature_pre_filter",
        "is_enable_sparse",
        "linear_tree",
        "max_bin",
        "max_bin_by_feature",
        "min_data_in_bin",
        "seed",
        "use_missing",
        "zero_as_missing",
    }
)
"""LightGBM parameters that decide how values are binned; settings that agree on them share one dataset."""


@dataclass(frozen=True)
class LabelledRows:
    """Rows of one split: features (rows, features), NaN = missing, and outcomes 0.0 or 1.0 (rows,)."""

    features: Floats
    outcomes: Floats

    @property
    def count(self) -> SplitCount:
        """Rows and positives."""
        return SplitCount(rows=len(self.outcomes), positives=int(self.outcomes.sum()))


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Checked train and validation rows; binned datasets are kept, so that a search's trials share them."""

    feature_names: tuple[str, ...]
    label: str
    train: LabelledRows
    validation: LabelledRows
    _binned: dict[tuple[tuple[str, str], ...], tuple["lightgbm.Dataset", "lightgbm.Dataset"]] = field(
        default_factory=dict, repr=False
    )

    def datasets(self, parameters: Mapping[str, Any]) -> tuple["lightgbm.Dataset", "lightgbm.Dataset"]:
        """Return binned train and validation rows; binned anew when one of BINNING_PARAMETERS changes."""
        let_waiting_threads_sleep()
        import lightgbm

        key = tuple(
            sorted((name, repr(value)) for name, value in parameters.items() if name in BINNING_PARAMETERS)
        )
        if key not in self._binned:
            names = list(self.feature_names)
            train = lightgbm.Dataset(
                self.train.features, self.train.outcomes, feature_name=names, params=dict(parameters)
            ).construct()
            validation = lightgbm.Dataset(
                self.validation.features,
                self.validation.outcomes,
                reference=train,
                feature_name=names,
                params=dict(parameters),
            ).construct()
            self._binned.clear()  # one at a time: a search over binning itself must not fill the memory
            self._binned[key] = (train, validation)
        return self._binned[key]


def prepare_training_data(
    training_set: pl.DataFrame, *, feature_names: Sequence[str], label: str
) -> TrainingData:
    """Take train and validation rows of a training set by its column `split`, in the order of the rows.

    Raises: TrainingError for a missing column, an unusable label, an empty split or one with a single class;
    FeatureError for a feature that is missing, not numeric, not finite, or null in every train row.
    """
    if not feature_names:
        raise TrainingError("no feature is given to learn from")
    if label in feature_names:
        raise TrainingError(f"the label {label} is among the features")
    for name in (label, "split"):
        if name not in training_set.columns:
            raise TrainingError(
                f"training set has no column {name}; it has {', '.join(training_set.columns)}"
            )
    train, validation = (
        _labelled_rows(training_set.filter(pl.col("split") == split), feature_names, label=label, split=split)
        for split in ("train", "validation")
    )
    empty = [name for i, name in enumerate(feature_names) if np.isnan(train.features[:, i]).all()]
    if empty:
        raise FeatureError(
            f"feature {', '.join(empty)} is null in all {train.count.rows} train rows: "
            "nothing can be learned from it; leave it out of model_features or mend its source"
        )
    return TrainingData(feature_names=tuple(feature_names), label=label, train=train, validation=validation)


def outcomes_of(frame: pl.DataFrame, *, label: str, where: str) -> Floats:
    """Return the label column as 0.0 and 1.0, shape (rows,).

    Raises: TrainingError when a label is null, NaN or neither 0 nor 1, or when only one class is present.
    """
    column = frame.get_column(label)
    if frame.is_empty():
        raise TrainingError(f"{where}: no rows")
    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        raise TrainingError(f"{where}: label {label} has type {column.dtype}, needed are the numbers 0 and 1")
    values = column.cast(pl.Float64)
    wrong = ~values.is_in([0.0, 1.0]).fill_null(False)
    if wrong.any():
        row = wrong.to_list().index(True)
        raise TrainingError(
            f"{where}: label {label} must be 0 or 1, but is {column[row]} in {wrong.sum()} of "
            f"{frame.height} rows, first in row {row}"
        )
    if values.n_unique() < 2:
        raise TrainingError(
            f"{where}: label {label} is {values[0]:g} in all {frame.height} rows; both classes are needed: "
            "take a longer window or look at the label's source"
        )
    return values.to_numpy()


def _labelled_rows(
    frame: pl.DataFrame, feature_names: Sequence[str], *, label: str, split: str
) -> LabelledRows:
    outcomes = outcomes_of(frame, label=label, where=f"{split} rows of the training set")
    return LabelledRows(features=feature_matrix(frame, feature_names), outcomes=outcomes)
