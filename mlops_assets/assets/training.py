"""The training stage: the training set as of a time, the chosen setting, the fitted candidate and its variants."""

import json
import tempfile
import time as clock
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import dagster as dg
import polars as pl

from mlops_assets.assets.support.asset_options import product_asset, upstream
from mlops_assets.assets.support.feeds import feeds_check, feeds_spoke
from mlops_assets.assets.support.pictures import page_only, picture, table
from mlops_assets.assets.support.recorded_reads import RecordedReads
from mlops_assets.assets.support.reuse import earlier_result
from mlops_assets.assets.support.table_writes import TableWrites
from mlops_assets.core.declared_types import Scalar
from mlops_assets.core.errors import TrainingError
from mlops_assets.core.features.stored_view import view_to_json
from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.identity.content import frame_digest
from mlops_assets.core.identity.identity import Identity
from mlops_assets.core.ingestion.silent_days import REMEMBERED_DAYS, silent_event_days
from mlops_assets.core.labels.silence import silent_days
from mlops_assets.core.lakehouse.day_range import DayRange, rows_by_day
from mlops_assets.core.model.libraries import installed_libraries, libraries_to_json
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.product import Product
from mlops_assets.core.registry.artifacts import LoggedRun, load_model
from mlops_assets.core.registry.candidate import Candidate, model_noun
from mlops_assets.core.registry.learned_rows import LEARNED_ROWS_FILE, learned_rows
from mlops_assets.core.registry.registry import ModelRegistry
from mlops_assets.core.registry.tag_names import (
    CONTENT_TAG,
    INPUTS_TAG,
    LEARNED_ROWS_TAG,
    LIBRARIES_TAG,
    VIEW_TAG,
)
from mlops_assets.core.registry.version_view import VIEW_FILE
from mlops_assets.core.times import KNOWN_AT
from mlops_assets.core.training.fit import fit
from mlops_assets.core.training.plots import importance_bars, tuning_trials, validation_curve
from mlops_assets.core.training.training_set import build_training_set, covered_days, known_vectors
from mlops_assets.core.training.tuning import TrialRecord, tune
from mlops_assets.core.training.view_features import features_by_view, require_view
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets.resources.tracking import TrackingResource

EXPLAINED_ROWS = 1_000


class TrainingSetConfig(dg.Config):
    """Until when the training set may know things."""

    as_of: str | None = None
    """UTC date (YYYY-MM-DD): everything known before this day's first instant; null takes the end of the labels."""
    allow_silent_days: bool = False
    """Make the training set although days have hardly any event or outcome, where others have them."""


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
        deps=[
            upstream(product, noun)
            for noun in ("features", "labels", *(["events"] if product.spec.time else []))
        ],
        check_specs=feeds_check(product),
    )
    def training_set(
        context: dg.AssetExecutionContext, config: TrainingSetConfig, lakehouse: LakehouseResource
    ) -> dg.MaterializeResult:
        """One row is a feature vector with its outcome, as both were known at the training set's as-of time.

        Made from `features` and `labels`; `events` say which events were known by then. The splits are ordered in time
        with a gap as long as the label delay, or stratified by the outcome for a cohort. Used by `hyperparameters`,
        `model` and `evaluation`. Days of which events or outcomes are missing, where others have them, stop it.
        """
        as_of = _as_of(config, lakehouse, product)
        reads = RecordedReads(context, lakehouse.tables, product, noun="training_set")
        reads.value("as of", as_of)
        rows, checks = _build(context, reads, lakehouse, as_of, allow_silent_days=config.allow_silent_days)
        writes = TableWrites(context, lakehouse, product, "training_set")
        writes.write(rows, None, reads=reads)
        splits = rows.group_by("split").agg(
            rows=pl.len(), positives=pl.col(label).sum(), positive_share=pl.col(label).mean()
        )
        shown = {"splits": table(splits.sort("split"))}
        if as_of is not None:
            shown["as_of"] = dg.MetadataValue.text(as_of.isoformat())
        return writes.result(shown, check_results=checks)

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
    context: dg.AssetExecutionContext,
    reads: RecordedReads,
    lakehouse: LakehouseResource,
    as_of: datetime | None,
    *,
    allow_silent_days: bool,
) -> tuple[pl.DataFrame, list[dg.AssetCheckResult]]:
    product, tables = reads.product, lakehouse.tables
    if as_of is None:
        features = _own_features(context, reads, lakehouse, None)
        labels = reads.rows("labels", tables.read(product.name, "labels"))
        return build_training_set(product, features=features, labels=labels, as_of=None), []
    first, end = covered_days(product, as_of=as_of)
    days = DayRange(first, end, "event_date")
    features = _own_features(context, reads, lakehouse, days)
    known_days = DayRange(first, as_of.date(), "known_date")
    labels = reads.rows("labels", tables.read(product.name, "labels", days=known_days))
    id_column = product.spec.id_column
    since = DayRange(first - timedelta(days=REMEMBERED_DAYS), end, "event_date")
    times = tables.read(product.name, "events", columns=[id_column, KNOWN_AT, "event_date"], days=since)
    events = reads.rows("when events were known", times)
    counts = _events_by_day(events.filter(pl.col(KNOWN_AT) < as_of), id_column=id_column)
    vectors_by_day = rows_by_day(features, days)
    below = reads.product.spec.source.silent_below
    feed = silent_event_days(counts, judged=vectors_by_day, below=below)
    if feed.days and not allow_silent_days:
        raise TrainingError(
            f"{product.name}/training_set as of {as_of:%Y-%m-%d}: {feed.words}. Materialize raw_events, events and "
            "features of these days; if there are no events, set allow_silent_days"
        )
    vectors = known_vectors(features, events, id_column=id_column, as_of=as_of)
    if late := features.height - vectors.height:
        context.log.info(f"{late} events of the days {days} were not known before {as_of:%Y-%m-%d}: left out")
    known = labels.filter(pl.col(KNOWN_AT) < as_of)
    silent = silent_days(
        vectors, known[id_column], id_column=id_column, time=str(product.view.event_timestamp)
    )
    if silent.days and not allow_silent_days and known.height:
        raise TrainingError(
            f"{product.name}/training_set as of {as_of:%Y-%m-%d}: {silent.words}. Materialize labels of the days on "
            "which they became known; if there are none, set allow_silent_days"
        )
    rows = build_training_set(product, features=vectors, labels=known, as_of=as_of)
    return rows, [feeds_spoke(feed, silent, events=counts, vectors=vectors_by_day)]


def _events_by_day(known: pl.DataFrame, *, id_column: str) -> dict[date, int]:
    return dict(known.group_by("event_date").agg(pl.col(id_column).n_unique()).iter_rows())


def _own_features(
    context: dg.AssetExecutionContext,
    reads: RecordedReads,
    lakehouse: LakehouseResource,
    days: DayRange | None,
) -> pl.DataFrame:
    """Read the vectors that the declared view made; of days that another one made they are computed."""
    product = reads.product
    found = features_by_view(lakehouse.tables, product.name, product.view, days=days)
    if found.computed:
        first, last = found.computed[0], found.computed[-1]
        context.log.warning(
            f"{len(found.computed)} days of features, from {first} to {last}, were made by another feature view than "
            f"the declared one: computed here; materialize {product.name}/features of them to store them"
        )
    return reads.rows("features", found.rows)


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
    seen = {*product.model_features, *extra}
    feature_names = tuple(name for name in product.view.feature_names if name in seen)
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
        deps=[upstream(product, "training_set"), upstream(product, "hyperparameters")],
        description=f"{story}\n\nSees also {', '.join(extra)}, and is never released: {reason}"
        if variant
        else story,
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
            fit_now=fitted_now,
            facts={"training_set_version": version, "as_of": as_of},
        )
        candidate = Candidate(run.run_id, run.model_uri, run.digest, version, as_of)
        writes = TableWrites(context, lakehouse, product, noun, inputs=identity.to_json())
        writes.write(candidate.to_frame(), None)
        return writes.result(_model_metadata(fitted, _sample(training_rows), tracking, candidate))

    return model


def _fitted_run(
    context: dg.AssetExecutionContext,
    tracking: TrackingResource,
    *,
    experiment: str,
    identity: Identity,
    view: FeatureView,
    learned: pl.DataFrame,
    fit_now: Callable[[], TrainedModel],
    facts: Mapping[str, object],
) -> tuple[LoggedRun, TrainedModel]:
    """Return the finished run of a model of this identity, and the model; a new run where there is none.

    identity: what the model is made from. view, learned: stored with a new run, as facts of the
    model. fit_now: makes it. facts: parameters of a new run besides the model's own.
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
        run.log_metrics(
            {
                "best_iteration": fitted.best_iteration,
                f"validation_{fitted.validation_metric}": fitted.validation_curve[fitted.best_iteration - 1],
            }
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
