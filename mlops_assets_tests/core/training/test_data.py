"""A training set as boosting reads it: checked, and binned once for settings that agree on it."""

import polars as pl
import pytest

from mlops_assets.core.errors import FeatureError, TrainingError
from mlops_assets.core.product_spec import Training
from mlops_assets.core.training.data import prepare_training_data
from mlops_assets.core.training.fit import fit
from mlops_assets_tests.support.training_rows import FEATURES, LABEL, training_rows

QUICK = Training(num_boost_round=40, early_stopping_rounds=10)


def fitted(frame=None, *, features=FEATURES, training=QUICK, parameters=None, on_round=None):
    return fit(
        training_rows() if frame is None else frame,
        feature_names=features,
        label=LABEL,
        training=training,
        parameters={"num_leaves": 7} if parameters is None else parameters,
        on_round=on_round,
    )


def with_value(frame: pl.DataFrame, column: str, value: object, *, split: str) -> pl.DataFrame:
    return frame.with_columns(pl.when(pl.col("split") == split).then(value).otherwise(column).alias(column))


def test_settings_that_agree_on_binning_share_one_binned_dataset():
    data = prepare_training_data(training_rows(), feature_names=FEATURES, label=LABEL)
    first = data.datasets({"max_bin": 63, "num_leaves": 7})
    assert data.datasets({"max_bin": 63, "num_leaves": 31})[0] is first[0]
    assert data.datasets({"max_bin": 15})[0] is not first[0]


@pytest.mark.parametrize("split", ["train", "validation"])
def test_one_class_is_told_with_the_split_and_its_rows(split):
    frame = with_value(training_rows(), LABEL, 0, split=split)
    with pytest.raises(
        TrainingError, match=rf"{split} rows of the training set: label is_event is 0 in all \d+"
    ):
        fitted(frame)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_split_without_rows_is_told(split):
    with pytest.raises(TrainingError, match=f"{split} rows of the training set: no rows"):
        fitted(training_rows().filter(pl.col("split") != split))


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        (pl.Series([0, 1, None] * 1000, dtype=pl.Int8), "None"),
        (pl.Series([0.0, 1.0, float("nan")] * 1000), "nan"),
        (pl.Series([0, 1, 2] * 1000), "2"),
    ],
)
def test_a_label_that_is_neither_0_nor_1_is_told_with_the_first_row(label, shown):
    frame = training_rows().with_columns(label.alias(LABEL))
    with pytest.raises(
        TrainingError, match=f"must be 0 or 1, but is {shown} in 600 of 1800 rows, first in row 2"
    ):
        fitted(frame)


def test_a_text_label_and_a_missing_label_or_split_column_are_told():
    frame = training_rows()
    with pytest.raises(TrainingError, match="label is_event has type String"):
        fitted(frame.with_columns(pl.col(LABEL).cast(pl.String)))
    with pytest.raises(TrainingError, match="training set has no column is_event; it has row_id"):
        fitted(frame.drop(LABEL))
    with pytest.raises(TrainingError, match="training set has no column split"):
        fitted(frame.drop("split"))


def test_a_feature_that_is_text_null_or_infinite_is_told():
    frame = training_rows()
    with pytest.raises(FeatureError, match="feature signal has type String"):
        fitted(frame.with_columns(pl.col("signal").cast(pl.String)))
    with pytest.raises(FeatureError, match="feature gappy is null in all 1800 train rows"):
        fitted(with_value(frame, "gappy", None, split="train"))
    with pytest.raises(FeatureError, match="feature signal is inf in 600 of 600 rows, first in row 0"):
        fitted(with_value(frame, "signal", float("inf"), split="validation"))
    with pytest.raises(FeatureError, match="feature column missing: height"):
        fitted(frame, features=("signal", "height"))


def test_the_label_may_not_be_a_feature_and_some_feature_is_needed():
    with pytest.raises(TrainingError, match="label is_event is among the features"):
        fitted(features=("signal", LABEL))
    with pytest.raises(TrainingError, match="no feature is given"):
        fitted(features=())
