"""The evaluation: the candidate beside its contenders on the test rows, and the gates' verdicts."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import polars as pl

from mlops_assets.assets.support.asset_options import product_asset, upstream
from mlops_assets.assets.support.pictures import page_only, picture, table
from mlops_assets.assets.support.recorded_reads import RecordedReads
from mlops_assets.assets.support.reuse import earlier_result
from mlops_assets.assets.support.same_rows import require_same_rows
from mlops_assets.assets.support.table_writes import TableWrites
from mlops_assets.core.contracts.event_identity import first_versions
from mlops_assets.core.errors import FeatureError, RegistryError
from mlops_assets.core.evaluation.decision_threshold import choose_threshold
from mlops_assets.core.evaluation.evaluate import evaluate
from mlops_assets.core.evaluation.gates import judge, overall, verdict_table
from mlops_assets.core.evaluation.metrics import Floats
from mlops_assets.core.evaluation.plots import (
    cost_by_threshold,
    differences_forest,
    precision_recall_curves,
    reliability_diagram,
    roc_curves,
    scores_by_label,
    slices_forest,
)
from mlops_assets.core.evaluation.product_contenders import (
    ALL_ROWS,
    RivalRows,
    contender_columns,
    product_contenders,
)
from mlops_assets.core.evaluation.result import EvaluationResult
from mlops_assets.core.identity.content import frame_digest
from mlops_assets.core.lakehouse.day_range import days_of
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.model.explanation import top_contributions
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.product import Product
from mlops_assets.core.registry.artifacts import load_model
from mlops_assets.core.registry.candidate import Candidate, model_noun, read_candidate
from mlops_assets.core.registry.learned_rows import rows_learned_by
from mlops_assets.core.registry.registry import ModelRegistry
from mlops_assets.core.registry.tag_names import VIEW_TAG
from mlops_assets.core.registry.version import ModelVersion
from mlops_assets.core.registry.version_view import version_view
from mlops_assets.core.release.record import ReleaseRecord
from mlops_assets.core.times import KNOWN_AT
from mlops_assets.core.training.plots import contribution_summary
from mlops_assets.core.training.view_features import features_of_days
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets.resources.releases import release_control
from mlops_assets.resources.tracking import TrackedRun, TrackingResource

EXPLAINED_ROWS = 400


def evaluation_assets(product: Product) -> list[dg.AssetsDefinition]:
    """Build the evaluation of one product."""
    return [_evaluation(product)]


def _evaluation(product: Product) -> dg.AssetsDefinition:
    spec = product.spec
    models = [model_noun(), *(model_noun(variant.name) for variant in spec.variants)]

    @product_asset(
        product,
        "evaluation",
        stage="training",
        kinds={"mlflow", "fairlearn"},
        deps=[upstream(product, noun) for noun in ("training_set", "events", *models)],
    )
    def evaluation(
        context: dg.AssetExecutionContext, lakehouse: LakehouseResource, tracking: TrackingResource
    ) -> dg.MaterializeResult:
        """One row is a metric of a contender with its interval, on the test rows that no contender was fitted on.

        Made from `model` and the test rows of `training_set`: the candidate beside a constant, a logistic regression,
        the product's baselines, its variants and the champion; slices, fairness, calibration and the decision threshold
        of least cost. The gates' verdicts lie beside it in the table `gate_verdicts`. Used by `model_version`.
        """
        entrants = _entrants(lakehouse, tracking, product)
        candidate = entrants.candidate
        reads = RecordedReads(context, lakehouse.tables, product, noun="evaluation")
        rows = _read_rows(reads, training_set_version=candidate.training_set_version)
        require_same_rows(
            product, candidate, entrants.variants, rows.training_set, tracking_uri=tracking.tracking_uri
        )
        rival_rows = _rival_rows(
            reads, lakehouse.tables, entrants, tracking_uri=tracking.tracking_uri, test=rows.test
        )
        _record(reads, entrants)
        identity = reads.identity()
        tables = ("evaluation", "gate_verdicts")
        if earlier := earlier_result(context, lakehouse.tables, product, *tables, identity=identity):
            return earlier
        uri = tracking.tracking_uri
        model = candidate.load(uri)
        result, scores = _evaluate(
            reads.product, rows, entrants, candidate=model, tracking_uri=uri, rival_rows=rival_rows
        )
        note = rival_rows.note(rows.test, id_column=spec.id_column)
        judged = judge(spec.gates, result, champion_note=note)
        verdicts = verdict_table(judged)
        judged_on = {"model_digest": pl.lit(candidate.digest), "threshold": pl.lit(result.threshold.value)}
        made_from = identity.to_json()
        verdict_writes = TableWrites(context, lakehouse, product, "gate_verdicts", inputs=made_from)
        verdict_writes.write(verdicts.with_columns(**judged_on), None)
        writes = TableWrites(context, lakehouse, product, "evaluation", inputs=made_from)
        writes.write(result.estimates, None)
        pictures = evaluation_pictures(product, result, model, rows.test, scores)
        with tracking.resume(context, candidate.run_id) as run:
            _log(run, result, verdicts, pictures)
        explained = _explained(model, rows.test, scores)
        shown = _shown(result, verdicts, verdict=overall(judged), explained=explained, pictures=pictures)
        run_url = dg.MetadataValue.url(tracking.run_url(candidate.run_id))
        tested = _test_rows(rows.test, product.view.event_timestamp)
        return writes.result({"mlflow_run": run_url, "test_rows": tested, **shown})

    return evaluation


@dataclass(frozen=True)
class _Entrants:
    """Who is compared."""

    candidate: Candidate
    variants: Mapping[str, Candidate]
    champion: ModelVersion | None
    """None before the first release, and where it is the candidate's own model."""
    champion_model: TrainedModel | None


def _entrants(lakehouse: LakehouseResource, tracking: TrackingResource, product: Product) -> _Entrants:
    tables, name = lakehouse.tables, product.name
    candidate = read_candidate(tables, name)
    variants = {v.name: read_candidate(tables, name, variant=v.name) for v in product.spec.variants}
    champion = _rival(release_control(lakehouse, tracking).record(name), candidate.digest)
    if champion is None:
        return _Entrants(candidate, variants, None, None)
    model = load_model(tracking.tracking_uri, champion.model_uri, digest=champion.digest)
    return _Entrants(candidate, variants, champion, model)


def _record(reads: RecordedReads, entrants: _Entrants) -> None:
    """Record who is compared, and by which parts of the declaration."""
    candidate, champion = entrants.candidate, entrants.champion
    reads.value("the candidate and the run that shows it", [candidate.digest, candidate.run_id])
    reads.value("the variants", {name: variant.digest for name, variant in entrants.variants.items()})
    reads.value("the champion", champion.digest if champion else None)
    reads.declared("evaluation", "gates", "label", "training")


def _rival(record: ReleaseRecord, digest: str) -> ModelVersion | None:
    """Return the champion that the candidate would replace, or has replaced: with its own model it is not compared.

    So a release changes nothing about the evaluation that it rests on, and running it again keeps it; neither does one
    of a further version of the same model, as a retraining with another library may make it.
    """
    plan = record.standing
    if plan is None:
        return None
    before = {one.champion.version: one.previous_champion for one in record.plans}
    seen: set[int] = set()
    champion = record.released_version(plan.champion.version)
    while champion.digest == digest:
        seen.add(champion.version)
        previous = before.get(champion.version)
        if previous is None or previous in seen or not record.has_released(previous):
            return None
        champion = record.released_version(previous)
    return champion


def _rival_rows(
    reads: RecordedReads,
    tables: DeltaTables,
    entrants: _Entrants,
    *,
    tracking_uri: str,
    test: pl.DataFrame,
) -> RivalRows:
    """Return what the champion sees of the test rows, by the view that it was trained with.

    reads: where it is recorded. tables, tracking_uri: where it is read. entrants: the champion, and the candidate whose
    test rows these are. test: the rows.
    """
    champion, model = entrants.champion, entrants.champion_model
    if champion is None or model is None:
        return ALL_ROWS
    product = reads.product
    tags = ModelRegistry(tracking_uri).run_tags(entrants.candidate.run_id)
    made_with = tags.get(VIEW_TAG, product.view.digest)
    try:
        id_column = product.spec.id_column
        learned = rows_learned_by(tracking_uri, champion, model, tables=tables, id_column=id_column)
        view = version_view(tracking_uri, champion, declared=product.view)
        vectors = None
        if view.digest != made_with:
            days = days_of(test, product.view.event_timestamp)
            vectors = features_of_days(tables, product.name, view, days=days)
    except (FeatureError, RegistryError) as error:
        reads.value("why the champion is not compared", str(error))
        return RivalRows(problem=f"the champion cannot be compared: {error}")
    reads.value("the champion's view", view.digest)
    reads.value("the champion's vectors", None if vectors is None else frame_digest(vectors))
    seen = test[id_column].is_in(learned.implode())
    reads.value(
        "the test rows that the champion learned from", frame_digest(test.select(id_column).filter(seen))
    )
    unseen = test.filter(~seen)
    if unseen[product.spec.label.column].n_unique() < 2:
        told = f"{seen.sum()} of the {test.height} test rows"
        return RivalRows(
            problem=f"the champion learned from {told}, and the others do not have both outcomes"
        )
    return RivalRows(vectors, learned_from=frozenset(test[id_column].filter(seen)))


def _test_rows(test: pl.DataFrame, time: str | None) -> str:
    """How many there are, and of which days, for people."""
    days = days_of(test, time)
    return f"{test.height:,}" if days is None else f"{test.height:,} of {days.words}"


@dataclass(frozen=True)
class _Rows:
    """What an evaluation rests on."""

    training_set: pl.DataFrame
    test: pl.DataFrame
    """Its test rows with the columns of the events that slices, groups and baselines read."""


def _read_rows(reads: RecordedReads, *, training_set_version: int) -> _Rows:
    product = reads.product
    training_set = reads.table("training_set", version=training_set_version)
    test = training_set.filter(pl.col("split") == "test")
    id_column = product.spec.id_column
    columns = [id_column, *(c for c in contender_columns(product) if c not in test.columns)]
    days = days_of(test, product.view.event_timestamp)
    times = [KNOWN_AT] if product.spec.time and KNOWN_AT not in columns else []
    read = reads.table("events", columns=[*columns, *times], days=days)
    events = first_versions(read, id_column=id_column).select(columns)
    return _Rows(training_set, test.join(events, on=id_column, how="left", maintain_order="left"))


def _evaluate(
    product: Product,
    rows: _Rows,
    entrants: _Entrants,
    *,
    candidate: TrainedModel,
    tracking_uri: str,
    rival_rows: RivalRows,
) -> tuple[EvaluationResult, Floats]:
    """Return the evaluation and the candidate's scores of the test rows."""
    spec = product.spec
    label = spec.label.column
    validation = rows.training_set.filter(pl.col("split") == "validation")
    threshold = choose_threshold(
        validation[label].to_numpy(), candidate.predict(validation), cost=spec.evaluation.cost
    )
    contenders = product_contenders(
        product,
        training_set=rows.training_set,
        test_rows=rows.test,
        candidate=candidate,
        variants={name: variant.load(tracking_uri) for name, variant in entrants.variants.items()},
        champion=entrants.champion_model,
        rival_rows=rival_rows,
    )
    result = evaluate(
        rows.test,
        label=label,
        contenders=contenders,
        evaluation=spec.evaluation,
        threshold=threshold,
        gates=spec.gates,
    )
    return result, contenders[0].scores


@page_only
def evaluation_pictures(
    product: Product,
    result: EvaluationResult,
    model: TrainedModel,
    test_rows: pl.DataFrame,
    scores: Floats,
) -> dict[str, bytes]:
    """Draw what a person would rather look at, by name; `scores` are the model's of the test rows.

    product, result, model: whose evaluation is drawn. test_rows: those that it judged.
    """
    sample = test_rows.sample(min(test_rows.height, EXPLAINED_ROWS), seed=product.spec.evaluation.seed)
    contributions = model.contributions(sample)
    return {
        "precision_recall": precision_recall_curves(result),
        "roc": roc_curves(result),
        "calibration": reliability_diagram(result),
        "differences": differences_forest(result),
        "scores_by_outcome": scores_by_label(test_rows[product.spec.label.column].to_numpy(), scores),
        "slices": slices_forest(result),
        "cost_by_threshold": cost_by_threshold(result),
        "contributions": contribution_summary(contributions, sample.select(model.feature_names)),
    }


@page_only
def _shown(
    result: EvaluationResult,
    verdicts: pl.DataFrame,
    *,
    verdict: str,
    explained: pl.DataFrame,
    pictures: Mapping[str, bytes],
) -> dict[str, dg.MetadataValue | float | str]:
    """What the asset's page shows."""
    return {
        "metrics": table(_side_by_side(result), rows=20),
        "verdict": verdict,
        "gates": table(verdicts.select("name", "verdict", "reason")),
        **({"fairness": table(result.fairness)} if result.fairness.height else {}),
        "highest_score_explained": table(explained),
        "decision_threshold": result.threshold.value,
        **{name: picture(png, caption=name) for name, png in pictures.items()},
    }


@page_only
def _explained(model: TrainedModel, test_rows: pl.DataFrame, scores: Floats) -> pl.DataFrame:
    """What made the highest score of the test rows: its largest contributions, in log-odds."""
    highest = test_rows[[int(scores.argmax())]]
    return top_contributions(model.contributions(highest), highest.select(model.feature_names), row=0)


@page_only
def _side_by_side(result: EvaluationResult) -> pl.DataFrame:
    """One row per contender, one column per main metric as `value [low, high]`."""
    shown = ("auc", "average_precision", "brier", "calibration_error")
    text = (
        pl.when(pl.col("low").is_null())
        .then(pl.format("{}", pl.col("value").round(4)))
        .otherwise(
            pl.format(
                "{} [{}, {}]", pl.col("value").round(4), pl.col("low").round(4), pl.col("high").round(4)
            )
        )
    )
    cells = result.metrics.filter(pl.col("metric").is_in(shown) & pl.col("value").is_not_null())
    wide = cells.with_columns(cell=text).pivot("metric", index="contender", values="cell")
    return wide.select("contender", *(name for name in shown if name in wide.columns))


def _log(
    run: TrackedRun, result: EvaluationResult, verdicts: pl.DataFrame, pictures: Mapping[str, bytes]
) -> None:
    own = result.metrics.filter(pl.col("contender") == result.candidate, pl.col("value").is_not_null())
    run.log_metrics({f"test_{row['metric']}": row["value"] for row in own.iter_rows(named=True)})
    run.log_text(result.to_json(), "evaluation.json")
    run.log_text(verdicts.write_json(), "gate_verdicts.json")
    with tempfile.TemporaryDirectory() as folder:
        for name, png in pictures.items():
            file = Path(folder) / f"{name}.png"
            file.write_bytes(png)
            run.log_artifact(file, "plots")
