"""The evaluation: the candidate beside its contenders on the test rows, and the gates' verdicts."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import polars as pl

from mlops_assets.assets.support.asset_options import digest_of, product_asset, upstream
from mlops_assets.assets.support.day_blocks import event_days
from mlops_assets.assets.support.pictures import picture, table
from mlops_assets.assets.support.reuse import earlier_result
from mlops_assets.assets.support.table_writes import TableWrites
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
from mlops_assets.core.evaluation.product_contenders import contender_columns, product_contenders
from mlops_assets.core.evaluation.result import EvaluationResult
from mlops_assets.core.model.explanation import top_contributions
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.product import Product
from mlops_assets.core.registry.artifacts import load_model
from mlops_assets.core.registry.candidate import model_noun, read_candidate
from mlops_assets.core.registry.version import ModelVersion
from mlops_assets.core.release.record import ReleaseRecord
from mlops_assets.core.training.plots import contribution_summary
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets.resources.releases import release_control
from mlops_assets.resources.tracking import TrackedRun, TrackingResource

EVALUATION_CODE_VERSION = "1"
EXPLAINED_ROWS = 1_000


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
        code_version=EVALUATION_CODE_VERSION,
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
        candidate = read_candidate(lakehouse.tables, product.name)
        variants = {
            v.name: read_candidate(lakehouse.tables, product.name, variant=v.name) for v in spec.variants
        }
        champion = _rival(release_control(lakehouse, tracking).record(product.name), candidate.digest)
        inputs = digest_of(
            EVALUATION_CODE_VERSION,
            candidate,
            sorted(variants.items()),
            champion.digest if champion else None,
            spec.evaluation.model_dump_json(),
            [gate.model_dump_json() for gate in spec.gates],
        )
        if earlier := earlier_result(context, lakehouse, product, "evaluation", inputs=inputs):
            return earlier
        model = candidate.load(tracking.tracking_uri)
        result, test_rows, scores = _evaluate(
            lakehouse,
            product,
            candidate=model,
            training_set_version=candidate.training_set_version,
            variants={name: variant.load(tracking.tracking_uri) for name, variant in variants.items()},
            champion=(
                load_model(tracking.tracking_uri, champion.model_uri, digest=champion.digest)
                if champion
                else None
            ),
        )
        judged = judge(spec.gates, result)
        verdicts = verdict_table(judged)
        TableWrites(context, lakehouse, product, "gate_verdicts", inputs=inputs).write(
            verdicts.with_columns(
                model_digest=pl.lit(candidate.digest), threshold=pl.lit(result.threshold.value)
            ),
            None,
        )
        writes = TableWrites(context, lakehouse, product, "evaluation", inputs=inputs)
        writes.write(result.estimates, None)
        pictures = evaluation_pictures(product, result, model, test_rows, scores)
        with tracking.resume(context, candidate.run_id) as run:
            _log(run, result, verdicts, pictures)
        return writes.result(
            {
                "mlflow_run": dg.MetadataValue.url(tracking.run_url(candidate.run_id)),
                "metrics": table(_side_by_side(result), rows=20),
                "verdict": overall(judged),
                "gates": table(verdicts.select("name", "verdict", "reason")),
                **({"fairness": table(result.fairness)} if result.fairness.height else {}),
                "highest_score_explained": table(_explained(model, test_rows, scores)),
                "decision_threshold": result.threshold.value,
                **{name: picture(png, caption=name) for name, png in pictures.items()},
            }
        )

    return evaluation


def _rival(record: ReleaseRecord, digest: str) -> ModelVersion | None:
    """Return the champion that the candidate would replace, or has replaced: with itself it is not compared.

    So a release changes nothing about the evaluation that it rests on, and running it again keeps it.
    """
    plan = record.standing
    if plan is None:
        return None
    champion = record.released_version(plan.champion.version)
    if champion.digest != digest:
        return champion
    return record.released_version(plan.previous_champion) if plan.previous_champion is not None else None


def _evaluate(
    lakehouse: LakehouseResource,
    product: Product,
    *,
    candidate: TrainedModel,
    training_set_version: int,
    variants: Mapping[str, TrainedModel],
    champion: TrainedModel | None,
) -> tuple[EvaluationResult, pl.DataFrame, Floats]:
    """Return the evaluation, the rows that it rests on and the candidate's scores of them."""
    spec = product.spec
    label = spec.label.column
    training_set = lakehouse.tables.read(product.name, "training_set", version=training_set_version)
    validation, test = (training_set.filter(pl.col("split") == name) for name in ("validation", "test"))
    columns = [spec.id_column, *(c for c in contender_columns(product) if c not in test.columns)]
    events = (
        lakehouse.tables.scan(product.name, "events", days=event_days(product, test))
        .select(columns)
        .collect()
    )
    test_rows = test.join(events, on=spec.id_column, how="left", maintain_order="left")
    threshold = choose_threshold(
        validation[label].to_numpy(), candidate.predict(validation), cost=spec.evaluation.cost
    )
    contenders = product_contenders(
        product,
        training_set=training_set,
        test_rows=test_rows,
        candidate=candidate,
        variants=variants,
        champion=champion,
    )
    result = evaluate(
        test_rows,
        label=label,
        contenders=contenders,
        evaluation=spec.evaluation,
        threshold=threshold,
        gates=spec.gates,
    )
    return result, test_rows, contenders[0].scores


def evaluation_pictures(
    product: Product,
    result: EvaluationResult,
    model: TrainedModel,
    test_rows: pl.DataFrame,
    scores: Floats,
) -> dict[str, bytes]:
    """Draw what a person would rather look at, by name; `scores` are the model's of the test rows."""
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


def _explained(model: TrainedModel, test_rows: pl.DataFrame, scores: Floats) -> pl.DataFrame:
    """What made the highest score of the test rows: its largest contributions, in log-odds."""
    highest = test_rows[[int(scores.argmax())]]
    return top_contributions(model.contributions(highest), highest.select(model.feature_names), row=0)


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
