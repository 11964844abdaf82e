"""Fitting a candidate: LightGBM, stopped early on validation rows, and a calibrator fitted on the same rows.

Same rows, parameters, seed, thread count, LightGBM version and machine give the same model bytes
(docs/decisions/003-model-format-and-determinism.md).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from mlops_assets.core.declared_types import Scalar
from mlops_assets.core.errors import TrainingError
from mlops_assets.core.model.calibration import NoCalibrator, fit_calibrator
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.product_spec import Training
from mlops_assets.core.runtime.threads import let_waiting_threads_sleep
from mlops_assets.core.training.data import TrainingData, prepare_training_data
from mlops_assets.core.training.parameter_names import main_name

OnRound = Callable[[int, float], None]

RESERVED_PARAMETERS: Mapping[str, str] = {
    "objective": "the product's task decides it",
    "metric": "set training.metric",
    "seed": "set training.seed",
    "num_threads": "set training.num_threads",
    "num_iterations": "set training.num_boost_round",
    "early_stopping_round": "set training.early_stopping_rounds",
    "monotone_constraints": "set training.monotone_constraints, by feature name",
    "deterministic": "it is always true",
    "device_type": "only the CPU gives the same bytes twice",
    "feature_pre_filter": "it is always false, so that trials can share one binned dataset",
    "verbosity": "LightGBM is always quiet",
}
"""LightGBM parameters that `parameters` may not set, and where to set them instead."""


@dataclass(frozen=True)
class Boosted:
    """A booster cut at its best round, before calibration."""

    booster_text: str
    best_iteration: int
    best_value: float
    """Validation metric at `best_iteration`."""
    curve: tuple[float, ...]
    """Validation metric after each round."""
    parameters: Mapping[str, Any]


def fit(
    training_set: pl.DataFrame,
    *,
    feature_names: Sequence[str],
    label: str,
    training: Training,
    parameters: Mapping[str, Scalar],
    on_round: OnRound | None = None,
) -> TrainedModel:
    """Fit on rows with split "train", stop and calibrate on those with split "validation"; read no test rows.

    `parameters` are LightGBM's and override `training.parameters`; `on_round` gets the round (from 1) and the
    validation metric. Calibrated probabilities of validation rows are optimistic: judge on test rows.

    training_set: rows with the features, the label and `split`. feature_names: in the order in which the model takes
    them. label: the column of outcomes, 0 or 1.

    Raises: TrainingError when nothing can be learned or a parameter is wrong; FeatureError for a bad feature.
    """
    data = prepare_training_data(training_set, feature_names=feature_names, label=label)
    return fit_prepared(data, training=training, parameters=parameters, on_round=on_round)


def fit_prepared(
    data: TrainingData,
    *,
    training: Training,
    parameters: Mapping[str, Scalar],
    on_round: OnRound | None = None,
) -> TrainedModel:
    """Do what `fit` does, on rows that were prepared once."""
    boosted = boost(data, training=training, parameters=parameters, on_round=on_round)
    uncalibrated = TrainedModel(
        booster_text=boosted.booster_text,
        feature_names=data.feature_names,
        label=data.label,
        calibrator=NoCalibrator(),
        best_iteration=boosted.best_iteration,
        parameters=boosted.parameters,
        seed=training.seed,
        splits={"train": data.train.count, "validation": data.validation.count},
        validation_metric=training.metric,
        validation_curve=boosted.curve,
    )
    calibrator = fit_calibrator(
        uncalibrated.predict_matrix(data.validation.features),
        data.validation.outcomes,
        choice=training.calibration,
        seed=training.seed,
    )
    return uncalibrated.with_calibrator(calibrator)


def boost(
    data: TrainingData,
    *,
    training: Training,
    parameters: Mapping[str, Scalar],
    on_round: OnRound | None = None,
) -> Boosted:
    """Fit a booster on the train rows and cut it at the round with the best validation metric.

    Raises: TrainingError for an unknown or reserved parameter, a value that LightGBM refuses, or when no tree
    could split the rows.
    """
    let_waiting_threads_sleep()
    import lightgbm

    settings = lightgbm_parameters(data, training=training, parameters=parameters)
    curve: list[float] = []

    def record(environment: lightgbm.callback.CallbackEnv) -> None:
        results = environment.evaluation_result_list or []
        curve.append(float(results[0].metric_value))
        if on_round is not None:
            on_round(len(curve), curve[-1])

    try:
        train, validation = data.datasets(settings)
        booster = lightgbm.train(
            settings,
            train,
            num_boost_round=training.num_boost_round,
            valid_sets=[validation],
            valid_names=["validation"],
            callbacks=[record, lightgbm.early_stopping(training.early_stopping_rounds, verbose=False)],
        )
    except lightgbm.basic.LightGBMError as error:
        raise TrainingError(f"LightGBM refused to train with {dict(settings)}: {error}") from error
    best = booster.best_iteration or len(curve)  # boosting: dart rescales older trees and cannot be cut
    if not booster.feature_importance("split", iteration=best).any():
        raise TrainingError(
            f"no tree could split the {data.train.count.rows} train rows: too few rows for min_data_in_leaf "
            f"{settings.get('min_data_in_leaf', 20)}, or all {len(data.feature_names)} features are constant"
        )
    return Boosted(booster.model_to_string(num_iteration=best), best, curve[best - 1], tuple(curve), settings)


def lightgbm_parameters(
    data: TrainingData, *, training: Training, parameters: Mapping[str, Scalar]
) -> dict[str, Any]:
    """Return the full LightGBM setting: declared and given parameters, and what makes it deterministic.

    Raises: TrainingError for a parameter that LightGBM does not know (it would ignore it silently), one that
    another setting owns, or a monotone constraint on a feature that the model does not see.
    """
    chosen = canonical_parameters(training.parameters) | canonical_parameters(parameters)
    settings: dict[str, Any] = {
        "objective": "binary",
        "metric": training.metric,
        "seed": training.seed,
        "num_threads": training.num_threads,
        "deterministic": True,
        "feature_pre_filter": False,
        "verbosity": -1,
    }
    if not {"force_row_wise", "force_col_wise"} & chosen.keys():
        settings["force_col_wise"] = True
    if training.class_imbalance == "scale_pos_weight":
        count = data.train.count
        settings["scale_pos_weight"] = (count.rows - count.positives) / count.positives
    if training.monotone_constraints:
        settings["monotone_constraints"] = _monotone_list(data.feature_names, training.monotone_constraints)
    return settings | chosen


def canonical_parameters(parameters: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return the parameters under LightGBM's main names, aliases resolved.

    Raises: TrainingError for an unknown or reserved name, or when two names mean the same parameter.
    """
    chosen: dict[str, Scalar] = {}
    for name, value in parameters.items():
        main = main_name(name)
        if main is None:
            raise TrainingError(f"LightGBM knows no parameter {name}")
        if main in RESERVED_PARAMETERS:
            raise TrainingError(f"LightGBM parameter {name} may not be given: {RESERVED_PARAMETERS[main]}")
        if main in chosen:
            raise TrainingError(f"LightGBM parameter {name} is given twice: it is another name of {main}")
        chosen[main] = value
    return chosen


def _monotone_list(feature_names: Sequence[str], constraints: Mapping[str, int]) -> list[int]:
    unknown = sorted(set(constraints) - set(feature_names))
    if unknown:
        raise TrainingError(
            f"training.monotone_constraints names {', '.join(unknown)}, "
            f"but the model sees {', '.join(feature_names)}"
        )
    return [constraints.get(name, 0) for name in feature_names]
