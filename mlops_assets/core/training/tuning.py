"""Search for LightGBM parameters: validation rows judge, test rows are never read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import polars as pl

from mlops_assets.core.declared_types import Scalar
from mlops_assets.core.errors import TrainingError
from mlops_assets.core.product_spec import SearchRange, Training, Tuning
from mlops_assets.core.training.data import TrainingData, prepare_training_data
from mlops_assets.core.training.fit import boost, canonical_parameters

if TYPE_CHECKING:
    import optuna

TrialState = Literal["complete", "failed", "cut"]


@dataclass(frozen=True)
class TrialRecord:
    """One setting that was tried."""

    trial: int
    """0 is the declared setting without any search."""
    parameters: Mapping[str, Scalar]
    """Searched parameters only."""
    value: float | None
    """Validation metric at the best round; null unless complete."""
    rounds: int | None
    """Best round; null unless complete."""
    seconds: float
    state: TrialState
    """failed: no model can be fitted with this setting; cut: the timeout came first."""


@dataclass(frozen=True)
class TuningResult:
    """The setting that is best on the validation rows, and all that were tried."""

    parameters: Mapping[str, Scalar]
    """What to give to `fit`; empty when no trial was better than the declared setting."""
    value: float
    """Validation metric of `parameters`: optimistic, since it is the best of many."""
    trials: pl.DataFrame
    """trial, value, rounds, seconds, state, one column per searched parameter, is_best; one row per trial."""
    stopped_by: Literal["trials", "timeout"]
    """timeout: how many trials the budget held depends on the machine: not reproducible."""


class _OutOfTimeError(Exception):
    """The timeout came during a trial."""


def tune(
    training_set: pl.DataFrame,
    *,
    feature_names: Sequence[str],
    label: str,
    training: Training,
    tuning: Tuning,
    on_trial: Callable[[TrialRecord], None] | None,
    clock: Callable[[], float],
) -> TuningResult:
    """Try the declared setting, then others of `tuning.search_space`; return the best by `training.metric`.

    Settings are drawn by Optuna's tree-structured Parzen estimator (Bergstra et al. 2011), seeded by
    `training.seed`. Trial 0 is the declared setting, so that the result is never worse than it on validation
    rows; the first of equals wins. `clock` returns seconds; after `tuning.timeout_seconds` the running trial
    is cut, except trial 0.

    training_set: rows with the features, the label and `split`. feature_names, label: its columns. on_trial: is told of
    each trial that ended.

    Raises: TrainingError for an unknown parameter or impossible range in the space, or when trial 0 cannot be
    fitted; FeatureError for a bad feature.
    """
    data = prepare_training_data(training_set, feature_names=feature_names, label=label)
    distributions = _distributions(tuning.search_space)
    study = _study(seed=training.seed, maximise=training.metric != "binary_logloss")
    deadline = clock() + tuning.timeout_seconds
    records: list[TrialRecord] = []
    for number in range(tuning.trials if distributions else 1):
        if number and clock() >= deadline:
            break
        trial = study.ask(distributions) if number else None
        record = _run_trial(
            data,
            number=number,
            parameters=trial.params if trial else {},
            training=training,
            deadline=deadline if number else float("inf"),
            clock=clock,
        )
        if trial is not None:
            _tell(study, trial, record)
        records.append(record)
        if on_trial is not None:
            on_trial(record)
        if record.state == "cut":
            break
    is_cut = len(records) < tuning.trials and bool(distributions)
    return _result(records, training=training, space=tuning.search_space, is_cut=is_cut)


def _run_trial(
    data: TrainingData,
    *,
    number: int,
    parameters: Mapping[str, Scalar],
    training: Training,
    deadline: float,
    clock: Callable[[], float],
) -> TrialRecord:
    def stop_at_deadline(_round: int, _value: float) -> None:
        if clock() >= deadline:
            raise _OutOfTimeError

    started = clock()
    value, rounds, state = None, None, "complete"
    try:
        boosted = boost(data, training=training, parameters=parameters, on_round=stop_at_deadline)
        value, rounds = boosted.best_value, boosted.best_iteration
    except _OutOfTimeError:
        state = "cut"
    except TrainingError:
        if number == 0:
            raise
        state = "failed"
    return TrialRecord(
        trial=number,
        parameters=dict(parameters),
        value=value,
        rounds=rounds,
        seconds=clock() - started,
        state=state,
    )


def _result(
    records: Sequence[TrialRecord],
    *,
    training: Training,
    space: Mapping[str, SearchRange],
    is_cut: bool,
) -> TuningResult:
    sign = 1 if training.metric == "binary_logloss" else -1
    complete = [(sign * r.value, r.trial, r.value) for r in records if r.value is not None]
    _, best, value = min(complete)
    declared = canonical_parameters(training.parameters)
    searched = _types(space, declared)
    columns = [
        pl.Series("trial", [r.trial for r in records], pl.Int64),
        pl.Series("value", [r.value for r in records], pl.Float64),
        pl.Series("rounds", [r.rounds for r in records], pl.Int64),
        pl.Series("seconds", [r.seconds for r in records], pl.Float64),
        pl.Series("state", [r.state for r in records], pl.String),
        *(
            _parameter(name, [r.parameters.get(name, declared.get(name)) for r in records], dtype)
            for name, dtype in searched.items()
        ),
        pl.Series("is_best", [r.trial == best for r in records], pl.Boolean),
    ]
    return TuningResult(
        parameters=records[best].parameters,
        value=value,
        trials=pl.DataFrame(columns),
        stopped_by="timeout" if is_cut else "trials",
    )


def _types(space: Mapping[str, SearchRange], declared: Mapping[str, Scalar]) -> dict[str, pl.DataType]:
    """The type of each searched parameter's column: of what the declaration allows, whatever was tried."""
    canonical = canonical_parameters({name: 0 for name in space})
    return {
        main: _common_type(_kinds(search_range) | ({type(declared[main])} if main in declared else set()))
        for main, search_range in zip(canonical, space.values(), strict=True)
    }


def _kinds(search_range: SearchRange) -> set[type]:
    if search_range.choices is not None:
        return {type(choice) for choice in search_range.choices}
    return {int if search_range.integer else float}


def _common_type(kinds: set[type]) -> pl.DataType:
    """Text holds everything, floating point every number; booleans and whole numbers stay among themselves."""
    if str in kinds:
        return pl.String()
    return {frozenset({bool}): pl.Boolean(), frozenset({int}): pl.Int64()}.get(frozenset(kinds), pl.Float64())


def _parameter(name: str, values: Sequence[Scalar | None], dtype: pl.DataType) -> pl.Series:
    convert = {pl.String(): str, pl.Float64(): float}.get(dtype)
    if convert is not None:
        values = [None if value is None else convert(value) for value in values]
    return pl.Series(name, values, dtype)


def _distributions(space: Mapping[str, SearchRange]) -> dict[str, "optuna.distributions.BaseDistribution"]:
    canonical = canonical_parameters({name: 0 for name in space})
    return {
        main: _distribution(name, search_range)
        for main, (name, search_range) in zip(canonical, space.items(), strict=True)
    }


def _distribution(name: str, search_range: SearchRange) -> "optuna.distributions.BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    try:
        if search_range.choices is not None:
            return CategoricalDistribution(search_range.choices)
        low, high = search_range.low, search_range.high
        if low is None or high is None:
            raise ValueError("give either low and high, or choices")
        if search_range.integer:
            return IntDistribution(int(low), int(high), log=search_range.log)
        return FloatDistribution(low, high, log=search_range.log)
    except ValueError as error:
        raise TrainingError(f"tuning.search_space.{name}: {error}") from error


def _study(*, seed: int, maximise: bool) -> "optuna.Study":
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.create_study(
            direction="maximize" if maximise else "minimize", sampler=optuna.samplers.TPESampler(seed=seed)
        )
    finally:
        optuna.logging.set_verbosity(verbosity)


def _tell(study: "optuna.Study", trial: "optuna.Trial", record: TrialRecord) -> None:
    from optuna.trial import TrialState as OptunaState

    if record.value is None:
        study.tell(trial, state=OptunaState.FAIL)
    else:
        study.tell(trial, record.value)
