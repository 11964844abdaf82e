"""The parity report: whether the served feature vectors are those that the offline executor derives."""

from collections.abc import Mapping
from dataclasses import replace

import dagster as dg
import polars as pl

from mlops_assets.assets.support.asset_options import product_asset, upstream
from mlops_assets.assets.support.day_blocks import day_blocks
from mlops_assets.assets.support.pictures import page_only, picture, table
from mlops_assets.assets.support.table_writes import Shown, TableWrites
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.parity.arrival_delay import arrival_delay
from mlops_assets.core.parity.compare import (
    SCHEMA,
    SERVED_KINDS,
    TRAINING,
    ParityReport,
    compare,
    compare_with_training,
)
from mlops_assets.core.parity.plot import parity_bars
from mlops_assets.core.parity.replay import Replay, captured_events, replay_of
from mlops_assets.core.parity.requests import compare_requests
from mlops_assets.core.product import Product
from mlops_assets.core.registry.registry import ModelRegistry
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets.resources.tracking import TrackingResource

SERVED = "served_predictions"


def parity_assets(product: Product) -> list[dg.AssetsDefinition]:
    """Build the parity report of one product."""
    key = dg.AssetKey([product.name, "parity_report"])
    lookback = product.view.lookback
    deps = [upstream(product, SERVED), upstream(product, "events", lookback=lookback)]
    if product.view.needs_labels:
        deps.append(upstream(product, "labels", lookback=lookback))
    deps.append(upstream(product, "features"))

    @product_asset(
        product,
        "parity_report",
        stage="monitoring",
        kinds={"polars", "deltalake"},
        is_partitioned=True,
        deps=deps,
        check_specs=[
            dg.AssetCheckSpec(
                "served_features_match",
                asset=key,
                blocking=True,
                description="Every served vector and score is the offline executor's, to the last bit.",
            ),
            dg.AssetCheckSpec(
                "requests_match_events",
                asset=key,
                description="Requests have the content that the lakehouse has of the same events.",
            ),
            dg.AssetCheckSpec(
                "served_as_trained",
                asset=key,
                description="Served vectors are those that training reads of the same events.",
            ),
        ],
    )
    def parity_report(
        context: dg.AssetExecutionContext, lakehouse: LakehouseResource, tracking: TrackingResource
    ) -> dg.MaterializeResult:
        """One row is a feature of a day's served requests: how many values differ from the offline executor's, and why.

        Made from `served_predictions`, `events` and `labels`: each captured request is answered again by the offline
        executor as of its own time, from what was known then, and compared bit for bit; scores are computed again by
        the version that gave them. A difference comes with an example and the kind of skew that explains it.
        Rows of the kind `training` compare with the vectors of `features`, which training reads: they differ where the
        lakehouse knew rows at another time than serving did.
        """
        writes = TableWrites(context, lakehouse, product, "parity_report")
        registry, models = ModelRegistry(tracking.tracking_uri), dict[int, TrainedModel]()
        reports = []
        for days in day_blocks(context, "event_date"):
            report = _compared(lakehouse, product, registry, models, days)
            reports.append(report)
            writes.write(report.rows if days else report.rows.drop("event_date"), days)
            context.log.info(f"{days or 'all requests'}: {report.summary}")
        whole = ParityReport(
            pl.concat(report.rows for report in reports),
            sum(report.vectors for report in reports),
            sum(report.different for report in reports),
        )
        return writes.result(_shown(whole), check_results=_checks(whole))

    return [parity_report]


def _compared(
    lakehouse: LakehouseResource,
    product: Product,
    registry: ModelRegistry,
    models: dict[int, TrainedModel],
    days: DayRange | None,
) -> ParityReport:
    """Compare the requests of some days; models that are needed and not there yet are loaded."""
    tables, view = lakehouse.tables, product.view
    if not tables.exists(product.name, SERVED):
        return ParityReport(pl.DataFrame(schema=SCHEMA), 0, 0)
    captured = tables.read(product.name, SERVED, days=days).filter(pl.col("error").is_null())
    if captured.is_empty():
        return ParityReport(pl.DataFrame(schema=SCHEMA), 0, 0)
    for version in captured["model_version"].unique().to_list():
        if version not in models:
            models[version] = registry.load(product.name, version)
    history, events, replay = _replay(lakehouse, product, days)
    report = compare(captured, replay, models)
    asked = events.filter(pl.col(view.id_column).is_in(captured[view.id_column].implode()))
    requests = compare_requests(view, history, asked)
    trained = _beside_training(
        lakehouse, product, models, days=days, captured=captured, known=(history, events)
    )
    return replace(report, rows=pl.concat([report.rows, requests, trained]))


def _beside_training(
    lakehouse: LakehouseResource,
    product: Product,
    models: Mapping[int, TrainedModel],
    *,
    days: DayRange | None,
    captured: pl.DataFrame,
    known: tuple[pl.DataFrame, pl.DataFrame],
) -> pl.DataFrame:
    """Compare with the stored vectors of the same days; without any there is nothing to compare.

    models: by version. captured: rows of `served_predictions`. known: events of the lakehouse, and captured ones.
    """
    tables, key = lakehouse.tables, product.spec.id_column
    if not tables.exists(product.name, "features"):
        return pl.DataFrame(schema=SCHEMA)
    stored = tables.read(product.name, "features", days=days).select(key, *product.view.feature_names)
    cause = "unexplained: a cohort's rows have no time at which they became known"
    if product.spec.time is not None:
        cause = arrival_delay(*known, id_column=key).words
    return compare_with_training(captured, stored, models, id_column=key, cause=cause)


def _replay(
    lakehouse: LakehouseResource, product: Product, days: DayRange | None
) -> tuple[pl.DataFrame, pl.DataFrame, Replay]:
    """The lakehouse's events and the captured ones that the windows of these days reach, and both as a replay."""
    tables, view = lakehouse.tables, product.view
    reach = days and days.with_lookback(view.lookback)
    history = tables.read(product.name, "events", columns=view.input_columns, days=reach)
    columns = [view.id_column, "request", "event_timestamp", "known_at", "received_at"]
    captured = tables.read(product.name, SERVED, columns=columns, days=reach)
    dtypes: Mapping[str, pl.DataType] = tables.schema(product.name, "events")
    events = captured_events(view, captured, dtypes=dtypes)
    labels = None
    if reach is not None and days is not None and view.needs_labels:
        known = DayRange(reach.first, days.end, "known_date")
        labels = tables.read(product.name, "labels", columns=view.label_columns, days=known)
    return history, events, replay_of(view, history, events, labels)


@page_only
def _shown(report: ParityReport) -> dict[str, Shown]:
    values = report.rows.filter(pl.col("kind").is_in(SERVED_KINDS))
    shown: dict[str, Shown] = {
        "compared_vectors": report.vectors,
        "different_vectors": report.different,
        "requests_unlike_events": report.requests_differ,
        "values_unlike_training": report.training_differs,
        "summary": report.summary,
        "differences": table(report.rows.filter(pl.col("different") > 0).head(50)),
    }
    if values.height:
        shown["parity"] = picture(parity_bars(values), caption="parity")
    return shown


def _checks(report: ParityReport) -> list[dg.AssetCheckResult]:
    counts = {"compared_vectors": report.vectors, "different_vectors": report.different}
    unlike = report.rows.filter(pl.col("kind") == "request", pl.col("different") > 0)
    told = [
        f"{row['feature']} of {row['different']} events, for example {row['example_id']}: asked {row['served']}, "
        f"stored {row['derived']}; {row['diagnosis']}"
        for row in unlike.head(3).iter_rows(named=True)
    ]
    late = report.rows.filter(pl.col("kind") == TRAINING, pl.col("different") > 0).sort(
        "different", descending=True
    )
    trained = [
        f"{row['feature']} of {row['different']} of {row['compared']} events, for example {row['example_id']}: served "
        f"{row['served']}, trained on {row['derived']}"
        for row in late.head(3).iter_rows(named=True)
    ]
    return [
        dg.AssetCheckResult(
            check_name="served_as_trained",
            passed=late.is_empty(),
            severity=dg.AssetCheckSeverity.WARN,
            description="; ".join([*trained, *late["diagnosis"].unique().to_list()])
            or "served vectors are those that training reads",
            metadata={
                "different_features": late["feature"].n_unique(),
                "different_values": report.training_differs,
            },
        ),
        dg.AssetCheckResult(
            check_name="served_features_match",
            passed=report.is_equal,
            description=report.summary,
            metadata=dict(counts),
        ),
        dg.AssetCheckResult(
            check_name="requests_match_events",
            passed=unlike.is_empty(),
            severity=dg.AssetCheckSeverity.WARN,
            description="; ".join(told) or "requests have the content of the lakehouse's events",
        ),
    ]
