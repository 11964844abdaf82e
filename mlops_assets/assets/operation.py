"""The operation stage: scores of the released version, and what became of them."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial

import dagster as dg
import polars as pl

from mlops_assets.assets.served_predictions import landing_table, served_predictions_asset
from mlops_assets.assets.support.asset_options import product_asset, upstream
from mlops_assets.assets.support.day_blocks import day_blocks
from mlops_assets.assets.support.other_days import tell_of_another_day
from mlops_assets.assets.support.pictures import page_only, picture, table
from mlops_assets.assets.support.recorded_reads import RecordedReads
from mlops_assets.assets.support.table_writes import TableWrites
from mlops_assets.core.errors import RegistryError
from mlops_assets.core.labels.outcomes import join_daily_outcomes, join_outcomes
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.plots.overview import score_distribution
from mlops_assets.core.predictions.batch import score_batch
from mlops_assets.core.predictions.captured import TABLE as SERVED
from mlops_assets.core.predictions.served_rows import not_served, served_rows
from mlops_assets.core.product import Product
from mlops_assets.core.registry.learned_rows import rows_learned_by
from mlops_assets.core.registry.registry import ModelRegistry
from mlops_assets.core.release.champion import Champion, load_champion, made_from, reference_rows
from mlops_assets.core.runtime.prefetch import computed_ahead
from mlops_assets.core.training.view_features import features_by_view
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets.resources.releases import release_control
from mlops_assets.resources.tracking import TrackingResource

PLOTTED_ROWS = 50_000


def operation_assets(product: Product) -> list[dg.AssetsDefinition]:
    """Build the operation stage of one product."""
    return [served_predictions_asset(product), _predictions(product), _outcomes(product)]


def _predictions(product: Product) -> dg.AssetsDefinition:
    @product_asset(
        product,
        "predictions",
        stage="operation",
        kinds={"lightgbm", "polars", "deltalake"},
        is_partitioned=True,
        deps=[upstream(product, noun) for noun in ("features", "release", "served_predictions")],
    )
    def predictions(
        context: dg.AssetExecutionContext, lakehouse: LakehouseResource, tracking: TrackingResource
    ) -> dg.MaterializeResult:
        """One row is an event scored by one version: score, decision, the version and the arm that gave them.

        Made from `served_predictions`, where the arm is champion, challenger or shadow, and from `features` of events
        that the released version did not score online, where it is batch (by the version's own view, computed from
        `events` and `labels` where another is declared now); in a cohort only of those that it never
        saw. Every event has one row per version. Used by `outcomes` and `drift_report`.
        """
        champion = load_champion(
            release_control(lakehouse, tracking), product.name, declared_view=product.view
        )
        writes = TableWrites(context, lakehouse, product, "predictions")
        versions = made_from(ModelRegistry(tracking.tracking_uri), product.name)
        arms: Counter[str] = Counter()
        blocks = (
            _read_block(
                RecordedReads(context, lakehouse.tables, product, noun="predictions"),
                lakehouse,
                champion,
                days=days,
                versions=versions,
            )
            for days in day_blocks(context, "event_date", product.spec.time)
        )
        with ThreadPoolExecutor(max_workers=1) as beside:
            reference = beside.submit(
                reference_rows, lakehouse.tables, product, champion, at_most=PLOTTED_ROWS
            )
            for block, rows in computed_ahead(blocks, partial(_united, product, champion)):
                writes.write(rows, block.days, reads=block.reads, allow_new_columns=True)
                arms.update(dict(rows.group_by("arm").len().iter_rows()))
        ours = rows.filter(pl.col("model_version") == champion.version)
        shown = ours.sample(min(ours.height, PLOTTED_ROWS), seed=0)
        return writes.result(
            {
                **_distribution(context, reference, shown["score"]),
                "rows_by_arm": table(
                    pl.DataFrame(sorted(arms.items()), schema=["arm", "rows"], orient="row")
                ),
            },
            each={"model_version": champion.version, "decision_threshold": champion.threshold},
        )

    return predictions


@page_only
def _distribution(
    context: dg.AssetExecutionContext, reference: Future[pl.DataFrame], scores: pl.Series
) -> dict[str, dg.MetadataValue]:
    """Draw the scores over those of the reference; without them nothing is drawn, and scoring goes on."""
    try:
        expected = reference.result()["score"]
    except RegistryError as error:
        context.log.warning(f"no picture of the scores: {error}")
        return {}
    return {"scores": picture(score_distribution(expected, scores), caption="scores")}


@dataclass(frozen=True)
class _Block:
    """What the predictions of some days are made from."""

    reads: RecordedReads
    days: DayRange | None
    served: pl.DataFrame
    """What was served, as rows of `predictions`."""
    to_score: pl.DataFrame
    """Feature vectors of the other events, in no order."""


def _read_block(
    reads: RecordedReads,
    lakehouse: LakehouseResource,
    champion: Champion,
    *,
    days: DayRange | None,
    versions: pl.DataFrame,
) -> _Block:
    product = reads.product
    id_column = product.spec.id_column
    landed = _served(lakehouse, product, days)
    served = reads.rows("what was served", served_rows(landed, id_column=id_column, made_from=versions))
    features = _features(lakehouse, product, champion, days)
    to_score = not_served(features, served, id_column=id_column, version=champion.version)
    carried = [name for name in ("event_timestamp",) if name in to_score.columns]
    reads.rows("features", to_score.select(id_column, *carried, *champion.model.feature_names))
    reads.value("the champion", champion.facts)
    return _Block(reads, days, served, to_score)


def _united(product: Product, champion: Champion, block: _Block) -> tuple[_Block, pl.DataFrame]:
    scored = score_batch(
        block.to_score,
        champion.model,
        id_column=product.spec.id_column,
        model_version=champion.version,
        threshold=champion.threshold,
        model_as_of=champion.as_of,
    )
    return block, pl.concat([block.served.select(scored.columns).cast(scored.schema), scored])


def _served(lakehouse: LakehouseResource, product: Product, days: DayRange | None) -> pl.DataFrame:
    """Return the landed rows of the days' events; of a cohort all of them."""
    tables = lakehouse.tables
    if not tables.exists(product.name, SERVED):
        return landing_table(product).frame([])
    return tables.read(product.name, SERVED, days=days)


def _features(
    lakehouse: LakehouseResource, product: Product, champion: Champion, days: DayRange | None
) -> pl.DataFrame:
    features = features_by_view(lakehouse.tables, product.name, champion.view, days=days).rows
    if days is not None:
        return features
    id_column = product.spec.id_column
    learned = rows_learned_by(
        champion.tracking_uri,
        champion.registered,
        champion.model,
        tables=lakehouse.tables,
        id_column=id_column,
    )
    return features.filter(~pl.col(id_column).is_in(learned.implode())).sort(id_column)


def _outcomes(product: Product) -> dg.AssetsDefinition:
    delay = product.spec.label_delay

    @product_asset(
        product,
        "outcomes",
        stage="operation",
        kinds={"polars", "deltalake"},
        is_partitioned=True,
        deps=[upstream(product, "predictions", lookback=delay), upstream(product, "labels")],
    )
    def outcomes(context: dg.AssetExecutionContext, lakehouse: LakehouseResource) -> dg.MaterializeResult:
        """One row is a prediction joined with its outcome, on the day on which the outcome became known.

        Made from `predictions` and `labels`; used by `performance_report`. A corrected outcome is a further row. The
        days on which outcomes of the run's own days became known follow, too: predictions of them may be new or gone.
        """
        writes = TableWrites(context, lakehouse, product, "outcomes")
        blocks = day_blocks(context, "known_date", product.spec.time)
        for days in blocks:
            reads = RecordedReads(context, lakehouse.tables, product, noun="outcomes")
            writes.write(_joined(reads, lakehouse, days), days, reads=reads, allow_new_columns=True)
        for day in _following_days(context, lakehouse, product, blocks):
            one = DayRange(day, day + timedelta(days=1), "known_date")
            reads = RecordedReads(context, lakehouse.tables, product, noun="outcomes")
            rows = _joined(reads, lakehouse, one)
            stated = replace(writes.commit_info, inputs=reads.identity().to_json())
            commit = lakehouse.tables.write(
                product.name, "outcomes", rows, days=one, commit=stated, allow_new_columns=True
            )
            tell_of_another_day(
                context,
                product,
                "outcomes",
                day,
                commit,
                why="outcomes of this run's days became known on it",
            )
        return writes.result()

    return outcomes


def _following_days(
    context: dg.AssetExecutionContext,
    lakehouse: LakehouseResource,
    product: Product,
    blocks: Sequence[DayRange | None],
) -> list[date]:
    """Days outside the run that were joined before, and on which labels of events of the run's days became known."""
    mine, time = [days for days in blocks if days is not None], product.spec.time
    if not mine or time is None:
        return []
    first, end = mine[0].first, mine[-1].end
    event_date = pl.col("event_timestamp").dt.date()
    known = (
        lakehouse.tables.scan(product.name, "labels")
        .filter(pl.col("known_date") >= end, event_date.is_between(first, end, closed="left"))
        .select(pl.col("known_date").unique().sort())
        .collect()["known_date"]
    )
    made = context.instance.get_materialized_partitions(dg.AssetKey([product.name, "outcomes"]))
    return [day for day in known if time.partition_key(day) in made]


def _joined(reads: RecordedReads, lakehouse: LakehouseResource, days: DayRange | None) -> pl.DataFrame:
    tables, product = lakehouse.tables, reads.product
    id_column, label = product.spec.id_column, product.spec.label.column
    labels = reads.rows("labels", tables.read(product.name, "labels", days=days))
    if days is None:
        predictions = reads.rows("predictions", tables.read(product.name, "predictions"))
        return join_outcomes(predictions, labels, id_column=id_column, label=label, as_of=None)
    first = labels.select(pl.col("event_timestamp").min().dt.date()).item() or days.first
    events = DayRange(min(first, days.first), days.end, "event_date")
    predictions = reads.rows("predictions", tables.read(product.name, "predictions", days=events))
    return join_daily_outcomes(predictions, labels, id_column=id_column, label=label)
