import itertools

import optuna
import polars as pl
import pytest

from mlops_assets.core.errors import TrainingError
from mlops_assets.core.product_spec import SearchRange, Training, Tuning
from mlops_assets.core.training.fit import fit
from mlops_assets.core.training.tuning import TrialRecord, tune
from mlops_assets_tests.support.training_rows import FEATURES, LABEL, training_rows

TRAINING = Training(num_boost_round=40, early_stopping_rounds=10, num_threads=1, parameters={"num_leaves": 7})
SPACE = {
    "learning_rate": SearchRange(low=0.01, high=0.5, log=True),
    "num_leaves": SearchRange(low=2, high=31, integer=True),
    "extra_trees": SearchRange(choices=(False, True)),
}


def ticking_clock():
    ticks = itertools.count()
    return lambda: float(next(ticks))


def tuned(frame=None, *, training=TRAINING, trials=6, timeout=1e9, space=None, on_trial=None, clock=None):
    return tune(
        training_rows() if frame is None else frame,
        feature_names=FEATURES,
        label=LABEL,
        training=training,
        tuning=Tuning(trials=trials, timeout_seconds=timeout, search_space=SPACE if space is None else space),
        on_trial=on_trial,
        clock=clock or ticking_clock(),
    )


@pytest.mark.parametrize("metric", ["binary_logloss", "average_precision"])
def test_the_best_trial_on_validation_rows_is_taken_and_fits_to_the_same_value(metric):
    training = TRAINING.model_copy(update={"metric": metric})
    result = tuned(training=training)
    values = result.trials["value"]
    assert result.value == (values.min() if metric == "binary_logloss" else values.max())
    model = fit(
        training_rows(), feature_names=FEATURES, label=LABEL, training=training, parameters=result.parameters
    )
    assert model.validation_curve[model.best_iteration - 1] == result.value


def test_the_first_trial_is_the_declared_setting():
    result = tuned()
    first = result.trials.row(0, named=True)
    model = fit(training_rows(), feature_names=FEATURES, label=LABEL, training=TRAINING, parameters={})
    assert first["value"] == model.validation_curve[model.best_iteration - 1]
    assert (first["num_leaves"], first["learning_rate"], first["extra_trees"]) == (7, None, None)


def test_a_space_without_anything_better_ends_with_the_declared_setting():
    result = tuned(space={"learning_rate": SearchRange(low=1e-6, high=1e-5)})
    assert result.parameters == {}
    assert result.trials["is_best"].to_list() == [True, False, False, False, False, False]


def test_the_table_has_one_row_per_trial_with_its_parameters_and_one_best():
    result = tuned()
    assert result.trials.columns == ["trial", "value", "rounds", "seconds", "state", *SPACE, "is_best"]
    assert result.trials["trial"].to_list() == list(range(6))
    assert result.stopped_by == "trials"
    best = result.trials.filter("is_best").row(0, named=True)
    assert {name: best[name] for name in result.parameters} == result.parameters
    searched = result.trials.filter(pl.col("trial") > 0)
    assert searched["learning_rate"].is_between(0.01, 0.5).all()
    assert searched["num_leaves"].is_between(2, 31).all()


def test_the_declaration_decides_the_types_and_not_what_was_tried():
    assert tuned(trials=1).trials.schema == tuned().trials.schema
    space = {
        "learning_rate": SearchRange(choices=(0.1, 1)),
        "boosting": SearchRange(choices=("gbdt", "dart")),
        "bagging_freq": SearchRange(choices=(0, 5)),
        "num_leaves": SearchRange(low=2, high=31),
        "is_unbalance": SearchRange(choices=(True, 0)),
    }
    types = tuned(trials=1, space=space).trials.schema
    kinds = [types[name] for name in space]
    assert kinds == [pl.Float64, pl.String, pl.Int64, pl.Float64, pl.Float64]


def test_the_same_seed_tries_the_same_settings_and_another_seed_others():
    first, second = tuned(), tuned()
    assert first.trials.drop("seconds").equals(second.trials.drop("seconds"))
    other = tuned(training=TRAINING.model_copy(update={"seed": 1}))
    assert other.trials["learning_rate"].to_list() != first.trials["learning_rate"].to_list()


def test_test_rows_do_not_change_the_search():
    frame = training_rows()
    is_test = pl.col("split") == "test"
    changed = frame.with_columns(
        pl.when(is_test).then(1 - pl.col(LABEL)).otherwise(LABEL).alias(LABEL),
        pl.when(is_test).then(-pl.col("signal")).otherwise("signal").alias("signal"),
    )
    assert tuned(frame).trials.equals(tuned(changed).trials)


def test_each_trial_is_told_as_it_ends():
    told: list[TrialRecord] = []
    result = tuned(on_trial=told.append)
    assert [r.trial for r in told] == result.trials["trial"].to_list()
    assert [r.value for r in told] == result.trials["value"].to_list()


def test_the_timeout_cuts_the_running_trial_but_never_the_first():
    result = tuned(timeout=70.0)  # the clock ticks at each round; a trial has at most 40
    assert result.stopped_by == "timeout"
    assert result.trials["state"][0] == "complete"
    assert result.trials["state"][-1] == "cut"
    assert result.trials["value"][-1] is None
    assert 1 < result.trials.height < 6
    only_first = tuned(timeout=1.0)
    assert only_first.trials["state"].to_list() == ["complete"]
    assert (only_first.stopped_by, only_first.parameters) == ("timeout", {})


def test_a_setting_that_cannot_be_fitted_fails_alone():
    result = tuned(space={"min_data_in_leaf": SearchRange(choices=(20, 5000))}, trials=8)
    states = dict(result.trials.group_by("min_data_in_leaf").agg(pl.col("state").unique()).iter_rows())
    assert states[5000] == ["failed"]
    assert states[20] == ["complete"]


def test_without_a_space_the_declared_setting_is_the_only_trial():
    result = tuned(space={})
    assert result.trials.height == 1
    assert (result.stopped_by, result.parameters) == ("trials", {})


def test_a_wrong_space_is_refused_before_any_trial():
    told: list[TrialRecord] = []
    with pytest.raises(TrainingError, match="LightGBM knows no parameter learning_rte"):
        tuned(space={"learning_rte": SearchRange(low=0.1, high=0.2)}, on_trial=told.append)
    with pytest.raises(TrainingError, match=r"tuning\.search_space\.eta: "):
        tuned(space={"eta": SearchRange(low=0.2, high=0.1)}, on_trial=told.append)
    with pytest.raises(TrainingError, match=r"tuning\.search_space\.num_leaves: "):
        tuned(space={"num_leaves": SearchRange(low=0, high=9, log=True, integer=True)}, on_trial=told.append)
    assert told == []


def test_rows_that_cannot_be_learned_from_are_told_by_the_first_trial():
    with pytest.raises(TrainingError, match="no tree could split"):
        tuned(training_rows(40))


def test_optuna_keeps_the_verbosity_that_the_user_set(capfd):
    before = optuna.logging.get_verbosity()
    tuned(trials=2)
    assert optuna.logging.get_verbosity() == before
    assert "study" not in capfd.readouterr().err
