"""The data stage: raw rows as they came, rows that meet the contract, rows that do not, and outcomes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import dagster as dg
import polars as pl

from mlops_assets.assets.support.asset_options import asset_options, product_asset, upstream
from mlops_assets.assets.support.day_blocks import day_blocks
from mlops_assets.assets.support.feeds import feed_check, feed_spoke
from mlops_assets.assets.support.other_days import tell_of_another_day
from mlops_assets.assets.support.pictures import page_only, picture, table
from mlops_assets.assets.support.recorded_reads import RecordedReads
from mlops_assets.assets.support.table_writes import TableWrites
from mlops_assets.core.contracts.contract import conform, with_event_date, with_known_date
from mlops_assets.core.contracts.time_of_knowledge import KnownTimes
from mlops_assets.core.contracts.unreadable import noting_unreadable
from mlops_assets.core.ingestion.judge_days import IngestedDays, Ingestion, ingest_days
from mlops_assets.core.labels.contract import check_labels
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.lakehouse.write import CommitInfo
from mlops_assets.core.plots.overview import rejection_reasons, rows_per_day
from mlops_assets.core.product import Product
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets.resources.platform import PlatformResource

REJECTED_SHARE = "rejected_share"


def data_assets(product: Product) -> list[dg.AssetsDefinition]:
    """Build the data stage of one product."""
    return [_raw_events(product), _events(product), _labels(product)]


def _raw_events(product: Product) -> dg.AssetsDefinition:
    subject = f"{product.name}/raw_events"

    @product_asset(
        product,
        "raw_events",
        stage="data",
        kinds={"polars", "deltalake"},
        is_partitioned=True,
    )
    def raw_events(
        context: dg.AssetExecutionContext, lakehouse: LakehouseResource, platform: PlatformResource
    ) -> dg.MaterializeResult:
        """One row is an event as its source has it, with the time at which the platform could know it.

        Read from the product's declared source. A new, missing or retyped column stops the run before anything is
        written; a single value that its column's type does not hold is null here and told in `unreadable`. Used by
        `events` and `rejected_events`, which judge the values.
        """
        writes = TableWrites(context, lakehouse, product, "raw_events")
        for days in day_blocks(context, "event_date", product.spec.time):
            reads = RecordedReads(context, lakehouse.tables, product, noun="raw_events")
            frame = reads.product.read_events(
                cache=platform.cache, start=days and days.starts_at, end=days and days.ends_at
            )
            reads.rows("the source's events", frame)
            rows = noting_unreadable(conform(frame, product.event_schema, subject=subject))
            writes.write(_dated(rows, days), days, reads=reads, allow_new_columns=True)
        return writes.result()

    return raw_events


def _events(product: Product) -> dg.AssetsDefinition:
    limit = product.spec.contract.max_rejected_share

    def events(
        context: dg.AssetExecutionContext, lakehouse: LakehouseResource
    ) -> Iterator[dg.MaterializeResult]:
        """Judge every raw row by the contract: good rows to `events`, broken ones with reasons to `rejected_events`.

        A row cannot have become known after it was read, nor, unless the contract declares it, before it happened.
        An id is one event's in all stored days: where a day's rows change which row keeps an id, the other day is
        written, too.
        """
        accepted = TableWrites(context, lakehouse, product, "events")
        rejected = TableWrites(context, lakehouse, product, "rejected_events")
        summaries: list[pl.DataFrame] = []
        ingestion = Ingestion(
            lakehouse.tables,
            product.name,
            product.event_schema,
            product.spec.id_column,
            partial(_commits, context, lakehouse, product, (accepted.commit_info, rejected.commit_info)),
            KnownTimes(datetime.now(UTC), may_precede_event=product.spec.contract.known_before_event),
        )
        for days in day_blocks(context, "event_date", product.spec.time):
            *others, mine = ingest_days(ingestion, days)
            accepted.record(mine.commits[0], mine.events, days)
            rejected.record(mine.commits[1], mine.rejected, days)
            summaries.append(mine.summary)
            for other in others:
                _tell_of_another_day(context, product, other)
        summary = pl.concat(summaries)
        yield accepted.result(
            _day_plot(lakehouse, product, "events"),
            check_results=[
                _rejected_share(accepted, rejected, limit=limit, summary=summary),
                *_feed_spoke(lakehouse, product, accepted),
            ],
        )
        yield rejected.result(
            {"reasons": table(summary), **_reasons_plot(summary, accepted.rows + rejected.rows)}
        )

    return _as_two_assets(product, events)


def _commits(
    context: dg.AssetExecutionContext,
    lakehouse: LakehouseResource,
    product: Product,
    commits: tuple[CommitInfo, CommitInfo],
    judged_on: Mapping[str, pl.DataFrame],
) -> tuple[CommitInfo, CommitInfo]:
    """Let the commits say what the days were judged on.

    The time of reading is left out: it changes the result only for rows that claim to be known later than that, and
    would make every reading another one.
    """
    reads = RecordedReads(context, lakehouse.tables, product, noun="events")
    for name, rows in judged_on.items():
        reads.rows(name, rows)
    reads.declared("contract", "id_column")
    inputs = reads.identity().to_json()
    accepted, rejected = commits
    return replace(accepted, inputs=inputs), replace(rejected, inputs=inputs)


def _as_two_assets(
    product: Product, events: Callable[..., Iterator[dg.MaterializeResult]]
) -> dg.AssetsDefinition:
    options = [
        asset_options(
            product,
            noun,
            stage="data",
            kinds={"polars", "pandera", "deltalake"},
            function=events,
            is_partitioned=True,
        )
        for noun in ("events", "rejected_events")
    ]
    limit = product.spec.contract.max_rejected_share
    rows = "a day's rows" if product.spec.time else "the rows"
    descriptions = (
        "One row is an event that meets the contract of `schemas.py`, without the columns that know the outcome; a"
        " corrected event is a further row of the same id and event time, known later.\n\n"
        "Made from `raw_events`; used by `features`, by every slice and by every join that needs who and when.",
        "One row is an event that broke the contract, or whose id another event had before, with every reason.\n\n"
        "Made from `raw_events`. After a fix of the source or of the contract, materialize `raw_events` and this again:"
        " rows that now meet the contract move to `events`.",
    )
    decorator = dg.multi_asset(
        name=f"{product.name}__events",
        specs=[
            dg.AssetSpec(
                description=text,
                deps=[upstream(product, "raw_events")],
                **{k: v for k, v in option.items() if k != "backfill_policy"},
            )
            for option, text in zip(options, descriptions, strict=True)
        ],
        check_specs=[
            dg.AssetCheckSpec(
                REJECTED_SHARE,
                asset=options[0]["key"],
                blocking=True,
                description=f"At most {limit:.2%} of {rows} may break the contract; above it nothing downstream runs",
            ),
            *feed_check(product),
        ],
        backfill_policy=options[0]["backfill_policy"],
    )
    return decorator(events)


def _labels(product: Product) -> dg.AssetsDefinition:
    label = product.spec.label

    @product_asset(
        product,
        "labels",
        stage="data",
        kinds={"polars", "deltalake"},
        is_partitioned=True,
        description=(
            f"One row is an outcome and the time at which it became known: `{label.column}`, {label.description}\n\n"
            f"Partitioned by the day on which it became known, {label.delay_days} days after the event; a corrected "
            "outcome is a further row. Used by `features`, `training_set` and `outcomes`."
            if product.spec.time
            else f"One row is an outcome: `{label.column}`, {label.description}\n\n"
            "Used by `training_set` and `outcomes`."
        ),
    )
    def labels(
        context: dg.AssetExecutionContext, lakehouse: LakehouseResource, platform: PlatformResource
    ) -> dg.MaterializeResult:
        writes = TableWrites(context, lakehouse, product, "labels")
        positives = 0
        for days in day_blocks(context, "known_date", product.spec.time):
            reads = RecordedReads(context, lakehouse.tables, product, noun="labels")
            read = reads.product.read_labels(
                cache=platform.cache, start=days and days.starts_at, end=days and days.ends_at
            )
            frame = check_labels(
                reads.rows("the source's labels", read),
                id_column=reads.product.spec.id_column,
                label=label.column,
                has_times=days is not None,
                events=product.event_schema,
                subject=f"{product.name}/labels",
                known_times=KnownTimes(datetime.now(UTC)),
            )
            positives += int(frame[label.column].sum())
            reads.declared("label")
            writes.write(frame if days is None else with_known_date(frame), days, reads=reads)
        shown: dict[str, float] = {"positives": positives}
        if writes.rows:
            shown["positive_share"] = positives / writes.rows
        return writes.result(shown)

    return labels


def _dated(frame: pl.DataFrame, days: DayRange | None) -> pl.DataFrame:
    """Add the day by which the table is partitioned; a row without a time stays with the days it was read for."""
    return frame if days is None else with_event_date(frame, undated=days.first)


def _tell_of_another_day(context: dg.AssetExecutionContext, product: Product, other: IngestedDays) -> None:
    """Report a day outside the run's partitions that was judged again, so that what is made from it is seen as old."""
    if other.days is None:
        return
    for noun, commit in zip(("events", "rejected_events"), other.commits, strict=True):
        tell_of_another_day(
            context, product, noun, other.days.first, commit, why="another day of this run shares ids with it"
        )


@page_only
def _day_plot(lakehouse: LakehouseResource, product: Product, noun: str) -> dict[str, dg.MetadataValue]:
    if product.spec.time is None:
        return {}
    counts = lakehouse.tables.day_counts(product.name, noun, "event_date")
    return {"rows_per_day": picture(rows_per_day(counts), caption=f"{noun} per day")}


@page_only
def _reasons_plot(summary: pl.DataFrame, judged: int) -> dict[str, dg.MetadataValue]:
    if summary.is_empty():
        return {}
    reasons = summary.group_by("column", "check").agg(pl.col("rows").sum())
    return {"rejected_by_reason": picture(rejection_reasons(reasons, rows=judged), caption="reasons")}


def _rejected_share(
    accepted: TableWrites, rejected: TableWrites, *, limit: float, summary: pl.DataFrame
) -> dg.AssetCheckResult:
    """Judge the worst day: in the mean of a long backfill a day that broke wholly would pass."""
    shares = {day: _share(rejected.rows_by_day[day], kept) for day, kept in accepted.rows_by_day.items()}
    broken, kept, where = rejected.rows, accepted.rows, ""
    if len(shares) > 1:
        worst = max(shares, key=lambda day: shares[day])
        broken, kept = rejected.rows_by_day[worst], accepted.rows_by_day[worst]
        where = f"{worst}, the worst of {len(shares)} days: "
    share = _share(broken, kept)
    return dg.AssetCheckResult(
        check_name=REJECTED_SHARE,
        passed=share <= limit,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{where}{broken} of {broken + kept} rows rejected ({share:.3%}); the limit is {limit:.3%}",
        metadata={"rejected_share": share, "limit": limit, "reasons": table(summary)},
    )


def _feed_spoke(
    lakehouse: LakehouseResource, product: Product, accepted: TableWrites
) -> list[dg.AssetCheckResult]:
    if product.spec.time is None:
        return []
    counts = lakehouse.tables.day_counts(product.name, "events", "event_date")
    return feed_spoke(product, dict(counts.iter_rows()), judged=accepted.rows_by_day)


def _share(rejected: int, accepted: int) -> float:
    return rejected / (rejected + accepted) if rejected else 0.0
