"""Mortality within two months: ours, logistic regression, the 1995 SUPPORT model, physicians, and ours with
physicians.

    python -m benchmarks.mortality [--repeats N] [--as-published]

Repeated stratified splits of the real cohort. In each, our models are fitted on the train rows with the
settings of the product's defs.yaml, which are never searched here; the validation rows stop and calibrate;
every number is from the test rows. Those settings are a first guess that was kept. What cross-validation of
the whole cohort was looked at for, before this benchmark existed: that columns which are left out for other
reasons (the product's features.py) do not make it look better. The SUPPORT model was itself fitted on the
cohort's phase I half, so it is judged partly on its own training rows; ours never is.

Two populations: all test rows, and those whose physician gave an estimate and who have the SUPPORT model's.
Whoever uses the physicians is compared on the latter, since a missing estimate knows of early deaths.

Intervals: the splits overlap, so that their plain standard error would be far too small. The corrected
resampled t interval is used: variance of the mean = (1/J + n_test/n_train)·s² (Nadeau & Bengio 2003,
Inference for the generalization error), with n_train the train rows only, which is the wider choice. `gain`
is with_physicians minus, in each split, the better of SUPPORT model and physicians.
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from rich.progress import track

from benchmarks.result import print_json, print_table
from mlops_assets.catalogue import load_product
from mlops_assets.core.contracts.contract import apply_contract, event_columns
from mlops_assets.core.evaluation.metrics import (
    CalibrationLine,
    Floats,
    Labels,
    ProbabilityMetrics,
    RankingMetrics,
)
from mlops_assets.core.features.offline.executor import compute_features
from mlops_assets.core.product import Product
from mlops_assets.core.product_spec import StratifiedSplit
from mlops_assets.core.settings import load_settings
from mlops_assets.core.training.fit import fit
from mlops_assets.core.training.linear_baseline import fit_logistic
from mlops_assets.core.training.splits import assign_stratified_split

CATEGORICAL = ("disease_group_code", "cancer_status_code")
METRICS = ("auc", "brier", "calibration_error", "calibration_slope", "calibration_intercept")
ALL, ESTIMATED = "all", "with an estimate"
ALONE = "AUC, ours - SUPPORT model (all)"
GAIN = "AUC, with_physicians - better of SUPPORT model and physicians (with an estimate)"
COMPARED = {
    ALL: ("ours", "logistic_regression", "support_model"),
    ESTIMATED: ("ours", "logistic_regression", "support_model", "physicians", "with_physicians"),
}
Values = dict[tuple[str, str, str], float]
"""Metric values of one split by (population, model, metric)."""


@dataclass(frozen=True)
class Interval:
    """A mean over splits with its corrected 95 % interval."""

    mean: float
    low: float
    high: float


def product_as(*, is_realigned: bool) -> Product:
    """Load the product; with `is_realigned` false its source is taken as it was published."""
    product = load_product("mortality_risk")
    source = product.spec.source.model_copy(update={"options": {"realign": is_realigned}})
    return replace(product, spec=product.spec.model_copy(update={"source": source}))


def load_rows(product: Product) -> pl.DataFrame:
    """Read the cohort: one row per patient that meets the contract, with features, label and the baselines'
    scores.
    """
    cache = load_settings(os.environ, working_directory=Path.cwd()).cache
    raw = product.read_events(cache=cache)
    accepted = apply_contract(
        raw, product.event_schema, id_column="patient_id", subject=product.name
    ).accepted
    events = accepted.select(event_columns(product.event_schema))
    scores = [expression.over(events).alias(name) for name, expression in product.baselines.items()]
    return (
        compute_features(product.view, events, None)
        .join(events.select("patient_id").with_columns(scores), on="patient_id")
        .join(product.read_labels(cache=cache), on="patient_id")
    )


def score_split(product: Product, rows: pl.DataFrame, *, seed: int) -> tuple[Values, float]:
    """Fit on one split and return the metrics of all models on its test rows, and n_test/n_train."""
    spec = product.spec
    if not isinstance(spec.split, StratifiedSplit):
        raise TypeError("the cohort's split is stratified")
    label = spec.label.column
    split = spec.split.model_copy(update={"seed": seed})
    training_set = assign_stratified_split(rows, id_column="patient_id", label=label, split=split)
    training = spec.training.model_copy(update={"seed": seed})
    own, everything = product.model_features, product.view.feature_names
    test = training_set.filter(pl.col("split") == "test")
    logistic = fit_logistic(training_set, feature_names=own, label=label, seed=seed, categorical=CATEGORICAL)
    scores = {
        "ours": fit(training_set, feature_names=own, label=label, training=training, parameters={}).predict(
            test
        ),
        "with_physicians": fit(
            training_set, feature_names=everything, label=label, training=training, parameters={}
        ).predict(test),
        "logistic_regression": logistic.predict(test),
        "support_model": test["support_model"].to_numpy(),
        "physicians": test["physicians"].to_numpy(),
    }
    has_support = test["support_model"].is_not_null().to_numpy()
    has_both = has_support & test["physicians"].is_not_null().to_numpy()
    labels = test[label].to_numpy()
    values = {
        (population, model, metric): value
        for population, is_in in ((ALL, has_support), (ESTIMATED, has_both))
        for model in COMPARED[population]
        for metric, value in _metrics(labels[is_in], scores[model][is_in]).items()
    }
    return values, test.height / training_set.filter(pl.col("split") == "train").height


def corrected_interval(values: Sequence[float], *, test_by_train: float) -> Interval:
    """Return the corrected resampled t interval at 95 % (Nadeau & Bengio 2003, equation 3 and section
    3.5).
    """
    from scipy.stats import t

    mean = float(np.mean(values))
    variance = (1 / len(values) + test_by_train) * float(np.var(values, ddof=1))
    half = float(t.ppf(0.975, df=len(values) - 1)) * variance**0.5
    return Interval(mean, mean - half, mean + half)


def _metrics(labels: Labels, scores: Floats) -> dict[str, float]:
    ones = np.ones((len(labels), 1))
    measured = {
        **RankingMetrics(labels, scores)(ones),
        **ProbabilityMetrics(labels, scores)(ones),
        **CalibrationLine(labels, scores)(ones),
    }
    return {metric: float(measured[metric][0]) for metric in METRICS}


def _report(intervals: Mapping[tuple[str, str, str], Interval]) -> None:
    for population, models in COMPARED.items():
        rows = [
            [model, *(_text(intervals[population, model, metric]) for metric in METRICS)] for model in models
        ]
        print_table(f"Test rows: {population}; mean over splits [95 % interval]", ["model", *METRICS], rows)


def _text(interval: Interval) -> str:
    return f"{interval.mean:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def main() -> None:
    """Run the benchmark and print its tables and its one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=25, help="stratified splits, at least 2; default 25")
    parser.add_argument(
        "--as-published", action="store_true", help="leave phase II's physiology where it stands"
    )
    arguments = parser.parse_args()
    if arguments.repeats < 2:
        parser.error("--repeats: an interval needs at least 2 splits")
    product = product_as(is_realigned=not arguments.as_published)
    rows = load_rows(product)
    splits = [
        score_split(product, rows, seed=seed)
        for seed in track(range(arguments.repeats), description="splits")
    ]
    test_by_train, values = splits[0][1], [split for split, _ in splits]
    intervals = {
        key: corrected_interval([split[key] for split in values], test_by_train=test_by_train)
        for key in values[0]
    }
    gains = {
        name: corrected_interval(differences, test_by_train=test_by_train)
        for name, differences in _differences(values).items()
    }
    estimated = rows.select("support_model", "physicians").drop_nulls().height
    _report(intervals)
    print_table(
        f"{rows.height} patients, {estimated} with both estimates; {arguments.repeats} splits",
        ["difference", "mean [95 % interval]"],
        [[name, _text(gain)] for name, gain in gains.items()],
    )
    sizes = {"repeats": arguments.repeats, "patients": rows.height, "patients_with_estimates": estimated}
    print_json(_answer(intervals, gains) | sizes | {"is_realigned": not arguments.as_published})


def _differences(values: Sequence[Values]) -> dict[str, list[float]]:
    def of(split: Values, model: str, *, metric: str = "auc", population: str = ALL) -> float:
        return split[population, model, metric]

    return {
        ALONE: [of(s, "ours") - of(s, "support_model") for s in values],
        GAIN: [
            of(s, "with_physicians", population=ESTIMATED)
            - max(of(s, name, population=ESTIMATED) for name in ("support_model", "physicians"))
            for s in values
        ],
        "Brier, SUPPORT model - ours (all)": [
            of(s, "support_model", metric="brier") - of(s, "ours", metric="brier") for s in values
        ],
    }


def _answer(
    intervals: Mapping[tuple[str, str, str], Interval], gains: Mapping[str, Interval]
) -> dict[str, object]:
    with_physicians = intervals[ESTIMATED, "with_physicians", "auc"]
    return {
        "auc": intervals[ALL, "ours", "auc"].mean,
        "auc_logistic": intervals[ALL, "logistic_regression", "auc"].mean,
        "auc_support_model": intervals[ALL, "support_model", "auc"].mean,
        "auc_physicians": intervals[ESTIMATED, "physicians", "auc"].mean,
        "auc_with_physicians": with_physicians.mean,
        **{
            f"auc_{model}_where_estimated": intervals[ESTIMATED, model, "auc"].mean
            for model in COMPARED[ESTIMATED]
        },
        "gain_low": gains[GAIN].low,
        "gain": gains[GAIN].mean,
        "gain_high": gains[GAIN].high,
        "alone_low": gains[ALONE].low,
        "alone": gains[ALONE].mean,
        "calibration_error": intervals[ALL, "ours", "calibration_error"].mean,
        "calibration_error_support_model": intervals[ALL, "support_model", "calibration_error"].mean,
        "spread": [with_physicians.low, with_physicians.high],
    }


if __name__ == "__main__":
    main()
