"""The asset `training_set`: feature vectors with their outcomes as of a time, and whether a feed went silent."""

from datetime import UTC, date, datetime, time, timedelta

import dagster as dg
import polars as pl

from mlops_assets.assets.support.asset_options import product_asset, upstream
from mlops_assets.assets.support.feeds import feeds_check, feeds_spoke
from mlops_assets.assets.support.pictures import table
from mlops_assets.assets.support.recorded_reads import RecordedReads
from mlops_assets.assets.support.table_writes import TableWrites
from mlops_assets.core.errors import TrainingError
from mlops_assets.core.ingestion.silent_days import REMEMBERED_DAYS, silent_event_days
from mlops_assets.core.labels.silence import silent_days
from mlops_assets.core.lakehouse.day_range import DayRange, rows_by_day
from mlops_assets.core.product import Product
from mlops_assets.core.times import KNOWN_AT
from mlops_assets.core.training.training_set import build_training_set, covered_days, known_vectors
from mlops_assets.core.training.view_features import features_by_view
from mlops_assets.resources.lakehouse import LakehouseResource


class TrainingSetConfig(dg.Config):
    """Until when the training set may know things."""

    as_of: str | None = None
    """UTC date (YYYY-MM-DD): everything known before this day's first instant; null takes the end of the labels."""
    allow_silent_days: bool = False
    """Make the training set although days have hardly any event or outcome, where others have them."""


def training_set_asset(product: Product) -> dg.AssetsDefinition:
    """Build the asset of one product."""
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
