"""import os"""

import os
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from mlops_assets.core.errors import TrainingError
from mlops_assets.core.product_spec import Training
from mlops_assets.core.training.data import prepare_training_data
from mlops_assets.core.training.fit import canonical_parameters, fit, fit_prepared
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


def rows_of(split: str) -> pl.DataFrame:
    return training_rows().filter(pl.col("split") == split)


def with_value(frame: pl.DataFrame, column: str, value: object, *, split: str) -> pl.DataFrame:
    return frame.with_columns(pl.when(pl.col("split") == split).then(value).otherwise(column).alias(column))


def test_a_fitted_model_ranks_rows_that_it_has_not_seen():
    test = rows_of("test")
    assert roc_auc_score(test[LABEL], fitted().predict(test)) > 0.85


@pytest.mark.parametrize(
    "parameters",
    [
        {"num_leaves": 7},
        {"bagging_fraction": 0.5, "bagging_freq": 1, "feature_fraction": 0.6, "extra_trees": True},
    ],
)
def test_two_fits_give_the_same_bytes(parameters):
    first, second = (fitted(parameters=parameters) for _ in range(2))
    assert first.booster_text == second.booster_text
    assert first.digest == second.digest


def test_another_process_with_another_hash_seed_gives_the_same_bytes():
    program = (
        "from mlops_assets.core.product_spec import Training\n"
        "from mlops_assets.core.training.fit import fit\n"
        "from mlops_assets_tests.support.training_rows import FEATURES, LABEL, training_rows\n"
        "training = Training(num_boost_round=40, early_stopping_rounds=10)\n"
        "drawn = {'bagging_fraction': 0.5, 'bagging_freq': 1}\n"
        "frame = training_rows()\n"
        "print(fit(frame, feature_names=FEATURES, label=LABEL, training=training, parameters=drawn).digest)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"}
    there = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    assert there.stdout.strip() == fitted(parameters={"bagging_fraction": 0.5, "bagging_freq": 1}).digest


def test_another_seed_gives_another_model_when_rows_are_drawn():
    parameters = {"bagging_fraction": 0.5, "bagging_freq": 1}
    other = fitted(training=QUICK.model_copy(update={"seed": 1}), parameters=parameters)
    assert other.booster_text != fitted(parameters=parameters).booster_text


def test_test_rows_are_not_read():
    frame = training_rows()
    without_test = frame.filter(pl.col("split") != "test")
    nonsense = with_value(with_value(frame, LABEL, 7, split="test"), "signal", float("inf"), split="test")
    assert fitted(frame).digest == fitted(without_test).digest == fitted(nonsense).digest


@pytest.mark.parametrize("metric", ["binary_logloss", "auc", "average_precision"])
def test_boosting_stops_at_the_best_round_of_the_declared_metric(metric):
    training = Training(num_boost_round=300, early_stopping_rounds=15, metric=metric)
    model = fitted(training=training, parameters={"learning_rate": 0.3})
    best = (
        np.argmin(model.validation_curve) if metric == "binary_logloss" else np.argmax(model.validation_curve)
    )
    assert model.best_iteration == best + 1
    assert len(model.validation_curve) == model.best_iteration + 15 < 300
    assert model.validation_metric == metric
    assert model.booster_text.count("\nTree=") == model.best_iteration


def test_the_validation_curve_is_the_metric_of_the_stored_booster_on_validation_rows():
    model, validation = fitted(), rows_of("validation")
    measured = log_loss(validation[LABEL], model.predict_raw(validation))
    assert model.validation_curve[model.best_iteration - 1] == pytest.approx(measured, abs=1e-9)


def test_progress_is_told_after_each_round():
    rounds = []
    model = fitted(on_round=lambda number, value: rounds.append((number, value)))
    assert rounds == list(enumerate(model.validation_curve, start=1))


def test_the_model_records_rows_and_positives_of_the_splits_that_it_saw():
    model = fitted()
    assert set(model.splits) == {"train", "validation"}
    for name, count in model.splits.items():
        assert (count.rows, count.positives) == (rows_of(name).height, rows_of(name)[LABEL].sum())


def scores_along(model, feature: str) -> np.ndarray:
    """Scores of 200 rows, shape (values, rows), as `feature` alone rises."""
    rows = training_rows(200)
    return np.array(
        [model.predict(rows.with_columns(pl.lit(v).alias(feature))) for v in np.linspace(-2, 2, 9)]
    )


@pytest.mark.parametrize(("feature", "against_the_data"), [("signal", -1), ("opposite", 1)])
def test_a_monotone_constraint_holds_for_every_row_even_against_the_data(feature, against_the_data):
    free = np.diff(scores_along(fitted(), feature), axis=0)
    assert (free * against_the_data < 0).any()
    training = QUICK.model_copy(update={"monotone_constraints": {feature: against_the_data}})
    held = np.diff(scores_along(fitted(training=training), feature), axis=0)
    assert (held * against_the_data >= 0).all()


def test_class_imbalance_weighs_positives_by_the_ratio_of_the_train_rows():
    plain = fitted(training=QUICK.model_copy(update={"calibration": "none"}))
    weighted = fitted(
        training=QUICK.model_copy(update={"calibration": "none", "class_imbalance": "scale_pos_weight"})
    )
    train = plain.splits["train"]
    ratio = (train.rows - train.positives) / train.positives
    assert weighted.parameters["scale_pos_weight"] == pytest.approx(ratio)
    test = rows_of("test")
    assert weighted.predict(test).mean() > plain.predict(test).mean() * 1.2


@pytest.mark.parametrize("choice", ["none", "sigmoid", "isotonic"])
def test_the_declared_calibration_is_fitted(choice):
    assert fitted(training=QUICK.model_copy(update={"calibration": choice})).calibrator.kind == choice


def test_calibration_takes_back_the_distortion_of_class_weights():
    model = fitted(
        training=QUICK.model_copy(update={"calibration": "auto", "class_imbalance": "scale_pos_weight"})
    )
    test = rows_of("test")
    assert model.calibrator.kind != "none"
    assert np.mean((model.predict(test) - test[LABEL].to_numpy()) ** 2) < np.mean(
        (model.predict_raw(test) - test[LABEL].to_numpy()) ** 2
    )


def test_given_parameters_override_declared_ones_under_any_of_their_names():
    training = QUICK.model_copy(update={"parameters": {"eta": 0.5, "max_bin": 63}})
    model = fitted(training=training, parameters={"shrinkage_rate": 0.2})
    assert model.parameters["learning_rate"] == 0.2
    assert model.parameters["max_bin"] == 63


def test_prepared_rows_give_the_same_model_before_and_after_other_settings_used_them():
    data = prepare_training_data(training_rows(), feature_names=FEATURES, label=LABEL)
    settings = [
        {"num_leaves": 7},
        {"num_leaves": 15, "min_data_in_leaf": 3},
        {"max_bin": 15},
        {"num_leaves": 7},
    ]
    digests = [fit_prepared(data, training=QUICK, parameters=parameters).digest for parameters in settings]
    assert digests[0] == digests[3] == fitted().digest
    assert len(set(digests)) == 3


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"learning_rte": 0.1}, "LightGBM knows no parameter learning_rte"),
        ({"random_state": 3}, "random_state may not be given: set training.seed"),
        ({"n_estimators": 3}, "n_estimators may not be given: set training.num_boost_round"),
        ({"device": "gpu"}, "device may not be given: only the CPU"),
        ({"eta": 0.1, "learning_rate": 0.2}, "learning_rate is given twice"),
    ],
)
def test_a_parameter_that_is_unknown_or_owned_by_another_setting_is_refused(parameters, message):
    with pytest.raises(TrainingError, match=message):
        canonical_parameters(parameters)
    with pytest.raises(TrainingError, match=message):
        fitted(parameters=parameters)


def test_a_value_that_lightgbm_refuses_is_told_with_the_setting():
    with pytest.raises(TrainingError, match=r"LightGBM refused to train with .*'num_leaves': 1"):
        fitted(parameters={"num_leaves": 1})


def test_a_constraint_on_an_unknown_feature_is_refused():
    with pytest.raises(TrainingError, match="monotone_constraints names size, but the model sees signal"):
        fitted(training=QUICK.model_copy(update={"monotone_constraints": {"size": 1}}))


def test_rows_that_no_tree_can_split_are_told():
    with pytest.raises(
        TrainingError, match="no tree could split the 24 train rows: too few rows for min_data_in_leaf 20"
    ):
        fitted(training_rows(40))
    with pytest.raises(TrainingError, match="all 4 features are constant"):
        fitted(training_rows().with_columns(pl.lit(1.0).alias(name) for name in FEATURES))
