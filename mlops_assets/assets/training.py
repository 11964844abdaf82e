"""The training stage: the training set, the chosen setting, the fitted candidate and its variants."""

import json
import tempfile
import time as clock
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import polars as pl

from mlops_assets.assets.support.asset_options import product_asset, upstream
from mlops_assets.assets.support.pictures import page_only, picture
from mlops_assets.assets.support.recorded_reads import RecordedReads
from mlops_assets.assets.support.reuse import earlier_result
from mlops_assets.assets.support.table_writes import Shown, TableWrites
from mlops_assets.assets.training_set import training_set_asset
from mlops_assets.core.declared_types import Scalar
from mlops_assets.core.features.stored_view import view_to_json
from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.identity.content import frame_digest
from mlops_assets.core.identity.identity import Identity
from mlops_assets.core.model.libraries import installed_libraries, libraries_to_json
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.product import Product
from mlops_assets.core.product_spec import Variant
from mlops_assets.core.registry.artifacts import LoggedRun, load_model
from mlops_assets.core.registry.candidate import Candidate, model_noun
from mlops_assets.core.registry.learned_rows import LEARNED_ROWS_FILE, held_out_digest, learned_rows
from mlops_assets.core.registry.registry import ModelRegistry
from mlops_assets.core.registry.tag_names import (
    CONTENT_TAG,
    HELD_OUT_TAG,
    INPUTS_TAG,
    LEARNED_ROWS_TAG,
    LIBRARIES_TAG,
    VIEW_TAG,
)
from mlops_assets.core.registry.version_view import VIEW_FILE
from mlops_assets.core.training.fit import fit
from mlops_assets.core.training.plots import importance_bars, tuning_trials, validation_curve
from mlops_assets.core.training.tuning import TrialRecord, TuningResult, tune
from mlops_assets.core.training.view_features import require_view
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets.resources.tracking import TrackingResource

EXPLAINED_ROWS = 400


def training_assets(product: Product) -> list[dg.AssetsDefinition]:
    """Build the training stage of one product."""
    variants = [_model(product, variant=variant.name) for variant in product.spec.variants]
    return [training_set_asset(product), _hyperparameters(product), _model(product, variant=None), *variants]


def _hyperparameters(product: Product) -> dg.AssetsDefinition:
    spec = product.spec

    @product_asset(
        product,
        "hyperparameters",
        stage="training",
        kinds={"optuna", "lightgbm"},
        deps=[upstream(product, "training_set")],
    )
    def hyperparameters(
        context: dg.AssetExecutionContext, lakehouse: LakehouseResource
    ) -> dg.MaterializeResult:
        """One row is a setting that was tried; the best one on the validation rows is marked.

        Made from the train and validation rows of `training_set` within the declared budget; test rows are never read.
        Used by `model`. The same training set and declaration keep the earlier result.
        """
        reads = RecordedReads(context, lakehouse.tables, product, noun="hyperparameters")
        training_set, feature_names = reads.table("training_set"), reads.product.model_features
        require_view(lakehouse.tables, product.name, product.view, training_set)
        reads.declared("label", "training", "tuning")
        identity = reads.identity()
        if earlier := earlier_result(
            context, lakehouse.tables, product, "hyperparameters", identity=identity
        ):
            return earlier

        def report(record: TrialRecord) -> None:
            context.log.info(
                f"trial {record.trial + 1} of {spec.tuning.trials}: {record.value} in {record.seconds:.1f} s"
            )

        result = tune(
            training_set,
            feature_names=feature_names,
            label=reads.product.spec.label.column,
            training=reads.product.spec.training,
            tuning=reads.product.spec.tuning,
            on_trial=report,
            clock=clock.monotonic,
        )
        writes = TableWrites(context, lakehouse, product, "hyperparameters", inputs=identity.to_json())
        writes.write(result.trials.with_columns(parameters=pl.lit(json.dumps(dict(result.parameters)))), None)
        return writes.result(_tuning_metadata(result, metric=spec.training.metric))

    return hyperparameters


def _tuning_metadata(result: TuningResult, *, metric: str) -> dict[str, Shown]:
    trials = tuning_trials(result.trials, metric=metric, is_higher_better=metric != "binary_logloss")
    return {
        "best": dg.MetadataValue.json(dict(result.parameters)),
        f"validation_{metric}": result.value,
        "stopped_by": result.stopped_by,
        "trials": picture(trials, caption="trials"),
    }


def _model(product: Product, *, variant: str | None) -> dg.AssetsDefinition:
    noun = model_noun(variant)
    declared = next((one for one in product.spec.variants if one.name == variant), None)
    seen = {*product.model_features, *(declared.extra_features if declared else ())}
    feature_names = tuple(name for name in product.view.feature_names if name in seen)

    @product_asset(
        product,
        noun,
        stage="training",
        kinds={"lightgbm", "mlflow"},
        deps=[upstream(product, "training_set"), upstream(product, "hyperparameters")],
        description=_model_story(declared),
    )
    def model(
        context: dg.AssetExecutionContext, lakehouse: LakehouseResource, tracking: TrackingResource
    ) -> dg.MaterializeResult:
        tables = lakehouse.tables
        version = int(tables.version(product.name, "training_set") or 0)
        reads = RecordedReads(context, tables, product, noun=noun)
        training_rows = reads.table("training_set", version=version)
        require_view(tables, product.name, product.view, training_rows)
        chosen = tables.read(product.name, "hyperparameters")["parameters"][0]
        parameters: dict[str, Scalar] = json.loads(chosen)
        reads.value("the chosen hyperparameters", parameters)
        reads.value("the names of the features", feature_names)
        reads.declared("label", "training")
        identity = reads.identity()
        as_of = training_rows["as_of"][0] if "as_of" in training_rows.columns else None

        def fitted_now() -> TrainedModel:
            return fit(
                training_rows,
                feature_names=feature_names,
                label=reads.product.spec.label.column,
                training=reads.product.spec.training,
                parameters=parameters,
            )

        run, fitted = _fitted_run(
            context,
            tracking,
            experiment=product.name if variant is None else f"{product.name}.{variant}",
            identity=identity,
            view=product.view,
            learned=learned_rows(training_rows, id_column=product.spec.id_column),
            held_out=held_out_digest(training_rows, id_column=product.spec.id_column),
            fit_now=fitted_now,
            facts={"training_set_version": version, "as_of": as_of},
        )
        candidate = Candidate(run.run_id, run.model_uri, run.digest, version, as_of)
        writes = TableWrites(context, lakehouse, product, noun, inputs=identity.to_json())
        writes.write(candidate.to_frame(), None)
        return writes.result(_model_metadata(fitted, _sample(training_rows), tracking, candidate))

    return model


def _model_story(variant: Variant | None) -> str:
    story = (
        "One thing is a fitted candidate: one MLflow run with one logged model in LightGBM's text format.\n\n"
        "Made from `training_set` with the setting of `hyperparameters`, deterministically; the same inputs keep the "
        "earlier run. Used by `evaluation`."
    )
    if variant is None:
        return story
    return (
        f"{story}\n\nSees also {', '.join(variant.extra_features)}, and is never released: {variant.reason}"
    )


def _fitted_run(
    context: dg.AssetExecutionContext,
    tracking: TrackingResource,
    *,
    experiment: str,
    identity: Identity,
    view: FeatureView,
    learned: pl.DataFrame,
    held_out: str,
    fit_now: Callable[[], TrainedModel],
    facts: Mapping[str, object],
) -> tuple[LoggedRun, TrainedModel]:
    """Return the finished run of a model of this identity, and the model; a new run where there is none.

    identity: what the model is made from. view, learned: stored with a new run, as facts of the model. held_out: digest
    of the rows that its trees are not fitted on. fit_now: makes it. facts: parameters of a new run besides the model's
    own.
    A run of other code whose model has the same bytes, made from the same inputs with the same libraries, stays.
    """
    registry = ModelRegistry(tracking.tracking_uri)
    known = registry.find_model_run(experiment, identity.digest)
    if known is not None:
        context.log.info(f"run {known.run_id} made this model from the same inputs, and stays")
        return known, load_model(tracking.tracking_uri, known.model_uri, digest=known.digest)
    started_at = datetime.now(UTC)
    fitted = fit_now()
    same = registry.same_model_run(experiment, content=identity.content_digest, digest=fitted.digest)
    if same is not None:
        context.log.info(f"other code made the same model: run {same.run_id} stays")
        registry.set_run_tags(same.run_id, {INPUTS_TAG: identity.digest})
        return same, fitted
    tags = {
        CONTENT_TAG: identity.content_digest,
        LIBRARIES_TAG: libraries_to_json(installed_libraries()),
        VIEW_TAG: view.digest,
        LEARNED_ROWS_TAG: frame_digest(learned),
        HELD_OUT_TAG: held_out,
    }
    with tracking.run(
        context,
        experiment=experiment,
        name=f"{experiment} as of {facts['as_of']:%Y-%m-%d}" if facts.get("as_of") else experiment,
        inputs=identity.digest,
        tags=tags,
        started_at=started_at,
    ) as run:
        run.log_params({**fitted.parameters, **facts, "seed": fitted.seed})
        best = fitted.validation_curve[fitted.best_iteration - 1]
        run.log_metrics(
            {"best_iteration": fitted.best_iteration, f"validation_{fitted.validation_metric}": best}
        )
        run.log_dataset("training_set", digest=identity.read.get("table training_set", ""))
        run.log_text(identity.to_json(), "made_from.json")
        run.log_text(view_to_json(view), VIEW_FILE)
        with tempfile.TemporaryDirectory() as folder:
            learned.write_parquet(file := Path(folder) / LEARNED_ROWS_FILE)
            run.log_artifact(file)
        uri = registry.log_model(run.run_id, fitted)
    return LoggedRun(run.run_id, uri, fitted.digest), fitted


def _sample(training_rows: pl.DataFrame) -> pl.DataFrame:
    validation = training_rows.filter(pl.col("split") == "validation")
    return validation.sample(min(validation.height, EXPLAINED_ROWS), seed=0)


@page_only
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
