import numpy as np
import polars as pl
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from mlops_assets.core.errors import FeatureError, TrainingError
from mlops_assets.core.training.linear_baseline import INVERSE_PENALTIES, constant_baseline, fit_logistic
from mlops_assets_tests.support.training_rows import FEATURES, LABEL, training_rows


def fitted(frame=None, *, features=FEATURES, seed=0, **options):
    frame = training_rows() if frame is None else frame
    return fit_logistic(frame, feature_names=features, label=LABEL, seed=seed, **options)


def test_the_baseline_recovers_a_linear_signal_on_rows_that_it_has_not_seen():
    train_and_validation = training_rows(20_000)
    fresh = training_rows(5000, seed=7)
    predicted = fitted(train_and_validation).predict(fresh)
    true_log_odds = 2 * fresh["signal"].to_numpy() - fresh["opposite"].to_numpy() - 1.5
    assert roc_auc_score(fresh[LABEL], predicted) == pytest.approx(
        roc_auc_score(fresh[LABEL], true_log_odds), abs=0.005
    )
    assert np.abs(predicted - 1 / (1 + np.exp(-true_log_odds))).mean() < 0.02


def test_the_penalty_is_the_best_on_validation_rows():
    baseline = fitted()
    assert baseline.inverse_penalty in INVERSE_PENALTIES
    frame = training_rows()
    validation = frame.filter(pl.col("split") == "validation")
    chosen = log_loss(validation[LABEL], baseline.predict(validation))
    flipped = frame.with_columns(
        pl.when(pl.col("split") == "validation").then(1 - pl.col(LABEL)).otherwise(LABEL).alias(LABEL)
    )
    assert chosen < log_loss(validation[LABEL], np.full(validation.height, constant_baseline(frame, LABEL)))
    assert fitted(flipped).inverse_penalty == min(INVERSE_PENALTIES)


def test_test_rows_are_not_read():
    frame = training_rows()
    changed = frame.with_columns(
        pl.when(pl.col("split") == "test").then(9).otherwise(LABEL).alias(LABEL),
    )
    assert fitted(frame).predict(frame).tolist() == fitted(changed).predict(frame).tolist()
    assert constant_baseline(changed, LABEL) == constant_baseline(frame, LABEL)


def test_that_a_value_is_missing_can_itself_be_the_signal():
    generator = np.random.default_rng(0)
    is_missing = generator.random(3000) < 0.3
    frame = training_rows().with_columns(
        pl.when(pl.Series(is_missing)).then(None).otherwise("signal").alias("gappy"),
        pl.Series(LABEL, is_missing ^ (generator.random(3000) < 0.1)).cast(pl.Int8),
    )
    assert roc_auc_score(frame[LABEL], fitted(frame, features=("gappy",)).predict(frame)) > 0.85


def test_codes_of_a_category_are_no_number_line():
    code = np.arange(3000) % 3
    frame = (
        training_rows()
        .with_columns(code=pl.Series(code), **{LABEL: pl.Series((code == 1).astype(np.int8))})
        .sample(fraction=1, shuffle=True, seed=0)
    )
    frame = frame.with_columns(split=training_rows()["split"])
    as_numbers = fitted(frame, features=("code",)).predict(frame)
    as_category = fitted(frame, features=("code",), categorical=("code",)).predict(frame)
    assert roc_auc_score(frame[LABEL], as_numbers) < 0.8
    assert roc_auc_score(frame[LABEL], as_category) == 1.0


def test_a_code_that_train_rows_lack_and_a_null_code_are_predicted_too():
    frame = training_rows().with_columns(code=pl.col("row_id") % 3)
    baseline = fitted(frame, features=("signal", "code"), categorical=("code",))
    unseen = frame.head(2).with_columns(code=pl.Series([99, None], dtype=pl.Int64))
    assert np.isfinite(baseline.predict(unseen)).all()


def test_more_rows_than_the_maximum_are_sampled_by_seed_with_the_same_share_of_outcomes():
    frame = training_rows()
    sampled = fitted(frame, maximum_rows=600)
    assert sampled.train_rows == 600
    assert fitted(frame).train_rows == 1800
    assert sampled.predict(frame).tolist() == fitted(frame, maximum_rows=600).predict(frame).tolist()
    assert sampled.predict(frame).tolist() != fitted(frame, maximum_rows=600, seed=1).predict(frame).tolist()
    assert sampled.predict(frame).mean() == pytest.approx(fitted(frame).predict(frame).mean(), abs=0.03)


def test_the_constant_is_the_share_of_positives_among_train_rows():
    frame = training_rows()
    train = frame.filter(pl.col("split") == "train")
    assert constant_baseline(frame, LABEL) == train[LABEL].sum() / train.height


def test_no_rows_give_no_predictions():
    assert fitted().predict(training_rows(5).clear()).shape == (0,)


def test_wrong_input_is_told():
    frame = training_rows()
    with pytest.raises(TrainingError, match="categorical names colour"):
        fitted(frame, categorical=("colour",))
    with pytest.raises(TrainingError, match="train rows of the training set: no rows"):
        constant_baseline(frame.filter(pl.col("split") != "train"), LABEL)
    with pytest.raises(TrainingError, match="both classes are needed"):
        fitted(frame.with_columns(pl.lit(0).alias(LABEL)))
    with pytest.raises(FeatureError, match="feature column missing: signal"):
        fitted(frame).predict(frame.drop("signal"))
