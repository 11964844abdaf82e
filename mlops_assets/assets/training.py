"""The training stage: the training set as of a time, the chosen setting, the fitted candidate and its variants."""

import json
import time as clock
from datetime import UTC, datetime, time, timedelta

import dagster as dg
import polars as pl

from mlops_assets.assets.support.asset_options import digest_of, product_asset, upstream
from mlops_assets.assets.support.pictures import picture, table
from mlops_assets.assets.support.reuse import earlier_result
from mlops_assets.assets.support.table_writes import TableWrites
from mlops_assets.core.errors import TrainingError
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.model.libraries import installed_libraries, libraries_to_json
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.product import Product
from mlops_assets.core.product_spec import Scalar
from mlops_assets.core.registry.candidate import Candidate, model_noun
from mlops_assets.core.registry.registry import ModelRegistry
from mlops_assets.core.registry.tag_names import LIBRARIES_TAG
from mlops_assets.core.training.fit import fit
from mlops_assets.core.training.plots import importance_bars, tuning_trials, validation_curve
from mlops_assets.core.training.training_set import build_training_set, covered_days
from mlops_assets.core.training.tuning import TrialRecord, tune
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets.resources.tracking import TrackedRun, TrackingResource

TRAINING_CODE_VERSION = "1"
EXPLAINED_ROWS = 1_000


class TrainingSetConfig(dg.Config):
    """Until when the training set may know things."""

    as_of: str | None = None
    """UTC date (YYYY-MM-DD): everything known before this day's first instant; null takes the end of the labels."""


def training_assets(product: Product) -> list[dg.AssetsDefinition]:
    """Build the training stage of one product."""
    variants = [_model(product, variant=variant.name) for variant in product.spec.variants]
    return [_training_set(product), _hyperparameters(product), _model(product, variant=None), *variants]


def _training_set(product: Product) -> dg.AssetsDefinition:
    label = product.spec.label.column

    @product_asset(
        product,
        "training_set",
        stage="training",
        kinds={"polars", "deltalake"},
        code_version="1",
        deps=[upstream(product, "features"), upstream(product, "labels")],
    )
    def training_set(
        context: dg.AssetExecutionContext, config: TrainingSetConfig, lakehouse: LakehouseResource
    ) -> dg.MaterializeResult:
        """One row is a feature vector with its outcome, as both were known at the training set's as-of time.

        Made from `features` and `labels`; the splits are ordered in time with a gap as long as the label delay, or
        stratified by the outcome for a cohort. Used by `hyperparameters`, `model` and `evaluation`.
        """
        as_of = _as_of(config, lakehouse, product)
        rows = _build(context, lakehouse, product, as_of)
        writes = TableWrites(context, lakehouse, product, "training_set", inputs=f"as_of={as_of}")
        writes.write(rows, None)
        splits = rows.group_by("split").agg(
            rows=pl.len(), positives=pl.col(label).sum(), positive_share=pl.col(label).mean()
        )
        shown = {"splits": table(splits.sort("split"))}
        if as_of is not None:
            shown["as_of"] = dg.MetadataValue.text(as_of.isoformat())
        return writes.result(shown)

    return training_set


def _as_of(config: TrainingSetConfig, lakehouse: LakehouseResource, product: Product) -> datetime | None:
    if product.spec.time is None:
        if config.as_of is not None:
            raise TrainingError(f"{product.name} has no time axis: its training set takes no as_of")
        return None
    if config.as_of is None:
        last = lakehouse.tables.day_counts(product.name, "labels", "known_date")["known_date"].max()
        if not isinstance(last, datetime) and last is not None:
            return datetime.combine(last, time(), UTC) + timedelta(days=1)  # type: ignore[arg-type]
        raise TrainingError(f"{product.name}/labels has no rows: materialize labels first")
    try:
        return datetime.combine(datetime.fromisoformat(config.as_of).date(), time(), UTC)
    except ValueError as error:
        raise TrainingError(f"as_of is {config.as_of!r}; give a date as YYYY-MM-DD") from error


def _build(
    context: dg.AssetExecutionContext, lakehouse: LakehouseResource, product: Product, as_of: datetime | None
) -> pl.DataFrame:
    tables = lakehouse.tables
    if as_of is None:
        features, labels = (tables.read(product.name, noun) for noun in ("features", "labels"))
        return build_training_set(product, features=features, labels=labels, as_of=None)
    first, end = covered_days(product, as_of=as_of)
    days = DayRange(first, end, "event_date")
    features = tables.read(product.name, "features", days=days)
    labels = tables.read(product.name, "labels", days=DayRange(first, as_of.date(), "known_date"))
    stored = set(features["event_date"].unique())
    empty = [
        str(first + timedelta(days=i))
        for i in range((end - first).days)
        if first + timedelta(days=i) not in stored
    ]
    if empty:
        context.log.warning(
            f"features has no rows on {len(empty)} of the days {days}, the first of them {empty[0]}"
        )
    known = labels.filter(pl.col("known_at") < as_of)
    return build_training_set(product, features=features, labels=known, as_of=as_of)


def _hyperparameters(product: Product) -> dg.AssetsDefinition:
    spec = product.spec

    @product_asset(
        product,
        "hyperparameters",
        stage="training",
        kinds={"optuna", "lightgbm"},
        code_version=TRAINING_CODE_VERSION,
        deps=[upstream(product, "training_set")],
    )
    def hyperparameters(
        context: dg.AssetExecutionContext, lakehouse: LakehouseResource
    ) -> dg.MaterializeResult:
        """One row is a setting that was tried; the best one on the validation rows is marked.

        Made from the train and validation rows of `training_set` within the declared budget; test rows are never read.
        Used by `model`. The same training set and declaration keep the earlier result.
        """
        version = lakehouse.tables.version(product.name, "training_set")
        inputs = digest_of(
            TRAINING_CODE_VERSION,
            version,
            product.model_features,
            spec.training.model_dump_json(),
            spec.tuning.model_dump_json(),
        )
        if earlier := earlier_result(context, lakehouse, product, "hyperparameters", inputs=inputs):
            return earlier

        def report(record: TrialRecord) -> None:
            context.log.info(
                f"trial {record.trial + 1} of {spec.tuning.trials}: {record.value} in {record.seconds:.1f} s"
            )

        result = tune(
            lakehouse.tables.read(product.name, "training_set"),
            feature_names=product.model_features,
            label=spec.label.column,
            training=spec.training,
            tuning=spec.tuning,
            on_trial=report,
            clock=clock.monotonic,
        )
        writes = TableWrites(context, lakehouse, product, "hyperparameters", inputs=inputs)
        writes.write(result.trials.with_columns(parameters=pl.lit(json.dumps(dict(result.parameters)))), None)
        return writes.result(
            {
                "best": dg.MetadataValue.json(dict(result.parameters)),
                f"validation_{spec.training.metric}": result.value,
                "stopped_by": result.stopped_by,
                "trials": picture(
                    tuning_trials(
                        result.trials,
                        metric=spec.training.metric,
                        is_higher_better=spec.training.metric != "binary_logloss",
                    ),
                    caption="trials",
                ),
            }
        )

    return hyperparameters


def _model(product: Product, *, variant: str | None) -> dg.AssetsDefinition:
    spec = product.spec
    noun = model_noun(variant)
    extra = next((v.extra_features for v in spec.variants if v.name == variant), ())
    chosen = {*product.model_features, *extra}
    feature_names = tuple(name for name in product.view.feature_names if name in chosen)
    reason = next((v.reason for v in spec.variants if v.name == variant), "")
    story = (
        "One thing is a fitted candidate: one MLflow run with one logged model in LightGBM's text format.\n\n"
        "Made from `training_set` with the setting of `hyperparameters`, deterministically; the same inputs keep the "
        "earlier run. Used by `evaluation`."
    )

    @product_asset(
        product,
        noun,
        stage="training",
        kinds={"lightgbm", "mlflow"},
        code_version=TRAINING_CODE_VERSION,
        deps=[upstream(product, "training_set"), upstream(product, "hyperparameters")],
        description=f"{story}\n\nSees also {', '.join(extra)}, and is never released: {reason}"
        if variant
        else story,
    )
    def model(
        context: dg.AssetExecutionContext, lakehouse: LakehouseResource, tracking: TrackingResource
    ) -> dg.MaterializeResult:
        tables = lakehouse.tables
        parameters: dict[str, Scalar] = json.loads(
            tables.read(product.name, "hyperparameters")["parameters"][0]
        )
        version = tables.version(product.name, "training_set")
        inputs = digest_of(
            TRAINING_CODE_VERSION, version, feature_names, spec.training.model_dump_json(), parameters
        )
        experiment = product.name if variant is None else f"{product.name}.{variant}"
        registry = ModelRegistry(tracking.tracking_uri)
        known = registry.find_model_run(experiment, inputs)
        training_rows = tables.read(product.name, "training_set", version=version)
        as_of = training_rows["as_of"][0] if "as_of" in training_rows.columns else None
        if known is None:
            with tracking.run(context, experiment=experiment, inputs=inputs) as run:
                fitted = fit(
                    training_rows,
                    feature_names=feature_names,
                    label=spec.label.column,
                    training=spec.training,
                    parameters=parameters,
                )
                _log_fit(run, fitted, training_set_version=version, as_of=as_of)
                uri = registry.log_model(run.run_id, fitted)
            candidate = Candidate(run.run_id, uri, fitted.digest, int(version or 0), as_of)
        else:
            context.log.info(f"{noun}: run {known.run_id} made this model from the same inputs, and stays")
            candidate = Candidate(known.run_id, known.model_uri, known.digest, int(version or 0), as_of)
            fitted = candidate.load(tracking.tracking_uri)
        writes = TableWrites(context, lakehouse, product, noun, inputs=inputs)
        writes.write(candidate.to_frame(), None)
        return writes.result(_model_metadata(fitted, _sample(training_rows), tracking, candidate))

    return model


def _log_fit(
    run: TrackedRun, fitted: TrainedModel, *, training_set_version: int | None, as_of: datetime | None
) -> None:
    run.log_params(
        {
            **fitted.parameters,
            "training_set_version": training_set_version,
            "as_of": as_of,
            "seed": fitted.seed,
        }
    )
    run.log_metrics(
        {
            "best_iteration": fitted.best_iteration,
            f"validation_{fitted.validation_metric}": fitted.validation_curve[fitted.best_iteration - 1],
        }
    )
    run.set_tags({LIBRARIES_TAG: libraries_to_json(installed_libraries())})


def _sample(training_rows: pl.DataFrame) -> pl.DataFrame:
    validation = training_rows.filter(pl.col("split") == "validation")
    return validation.sample(min(validation.height, EXPLAINED_ROWS), seed=0)


def _model_metadata(
    fitted: TrainedModel, sample: pl.DataFrame, tracking: TrackingResource, candidate: Candidate
) -> dict[str, dg.MetadataValue | float | int | str]:
    curve = validation_curve(
        fitted.validation_curve, best_iteration=fitted.best_iteration, metric=fitted.validation_metric
    )
    return {
        "mlflow_run": dg.MetadataValue.url(tracking.run_url(candidate.run_id)),
        "model_digest": fitted.digest,
        "best_iteration": fitted.best_iteration,
        "calibrator": fitted.calibrator.kind,
        "importance": picture(importance_bars(fitted.contributions(sample)), caption="importance"),
        "validation_curve": picture(curve, caption="validation curve"),
    }
