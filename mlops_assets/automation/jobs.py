"""The jobs, schedules and sensors of a product, named for what a person wants."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

import dagster as dg

from mlops_assets.automation.canary_judge import canary_judge_sensor
from mlops_assets.automation.collect_served import collect_served_sensor
from mlops_assets.automation.release_jobs import release_jobs
from mlops_assets.automation.retrain_on_drift import retrain_on_drift_sensor
from mlops_assets.automation.run_tags import PRODUCT
from mlops_assets.automation.schedules import daily_schedule, retrain_schedule
from mlops_assets.automation.show_release import show_release_sensor
from mlops_assets.core.product_spec import ProductSpec

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

INGEST = ("raw_events", "events", "rejected_events", "labels", "features")
RETRAIN = ("training_set", "hyperparameters", "model", "evaluation", "model_version", "bento", "release")
MONITOR = ("predictions", "outcomes", "drift_report", "performance_report", "parity_report")
FAIRNESS = ("fairness_report",)
"""Of a product that declares a sensitive slice."""
VERDICTS = ("verdicts",)
"""Of a product with a time axis, which has windows."""
COLLECT = ("served_predictions", "predictions", "outcomes")


def product_automation(spec: ProductSpec) -> dg.Definitions:
    """Build the product's jobs, and its schedules and sensors, which a person has to switch on."""
    retrain_nouns = (*RETRAIN, *(f"model_{variant.name}" for variant in spec.variants))
    retrain = _job(
        spec,
        "retrain",
        retrain_nouns,
        "Make a training set, tune, fit, evaluate, register, package, release.",
    )
    jobs = [
        _job(spec, "ingest", INGEST, "Read the source, judge it by the contract, compute features."),
        retrain,
        _job(
            spec,
            "monitor",
            _monitored(spec),
            "Score, join outcomes, report drift, performance and parity.",
        ),
        _job(spec, "collect", COLLECT, "Collect what services captured, beside the scores of the batch."),
    ]
    schedules: list[dg.ScheduleDefinition] = []
    steps = release_jobs(spec)
    sensors: list[dg.SensorDefinition] = [
        canary_judge_sensor(spec, jobs=steps),
        collect_served_sensor(spec, f"{spec.name}__collect"),
        show_release_sensor(spec),
    ]
    if spec.time is None:
        return dg.Definitions(
            jobs=[*jobs, *steps], schedules=_retrain_schedules(spec, retrain.name), sensors=sensors
        )
    daily_nouns = (*INGEST, "online_features", "served_predictions", *_monitored(spec))
    daily = _job(
        spec, "daily", daily_nouns, "Ingest one day, load the online store, collect, score and monitor."
    )
    jobs.append(daily)
    if spec.schedules.daily:
        schedules.append(daily_schedule(spec, daily.name))
    schedules += _retrain_schedules(spec, retrain.name)
    sensors.append(
        retrain_on_drift_sensor(spec, retrain.name, run_config=lambda as_of: retrain_config(spec, as_of))
    )
    return dg.Definitions(jobs=[*jobs, *steps], schedules=schedules, sensors=sensors)


def retrain_config(spec: ProductSpec, as_of: date) -> Mapping[str, object]:
    """Run configuration of the retrain job as of a day's first instant, UTC; empty for a cohort."""
    if spec.time is None:
        return {}
    return {"ops": {f"{spec.name}__training_set": {"config": {"as_of": as_of.isoformat()}}}}


def _monitored(spec: ProductSpec) -> tuple[str, ...]:
    """What looks at a product's newest predictions and outcomes."""
    has_groups = any(one.is_sensitive for one in spec.evaluation.slices)
    return (*MONITOR, *(FAIRNESS if has_groups else ()), *(VERDICTS if spec.time else ()))


def _retrain_schedules(spec: ProductSpec, job_name: str) -> list[dg.ScheduleDefinition]:
    if not spec.schedules.retrain:
        return []
    return [retrain_schedule(spec, job_name, run_config=lambda as_of: retrain_config(spec, as_of))]


def _job(
    spec: ProductSpec, verb: str, nouns: Sequence[str], description: str
) -> "UnresolvedAssetJobDefinition":
    keys = [dg.AssetKey([spec.name, noun]) for noun in nouns]
    return dg.define_asset_job(
        f"{spec.name}__{verb}",
        selection=dg.AssetSelection.assets(*keys),
        description=description,
        tags={PRODUCT: spec.name},
    )
