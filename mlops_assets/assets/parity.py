"""The parity report: whether the served feature vectors are those that the offline executor derives."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import dagster as dg
import polars as pl

from mlops_assets.assets.support.asset_options import product_asset, upstream
from mlops_assets.assets.support.day_blocks import day_blocks
from mlops_assets.assets.support.pictures import page_only, picture, table
from mlops_assets.assets.support.recorded_reads import RecordedReads
from mlops_assets.assets.support.table_writes import Shown, TableWrites
from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.lakehouse.tables import DeltaTables
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
from mlops_assets.core.registry.version_view import version_view
from mlops_assets.core.training.view_features import features_by_view
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets.resources.tracking import TrackingResource

SERVED = "served_predictions"


def parity_assets(product: Product) -> list[dg.AssetsDefinition]:
    """Build the parity report of one product."""
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
        check_specs=_check_specs(dg.AssetKey([product.name, "parity_report"])),
    )
    def parity_report(
        context: dg.AssetExecutionContext, lakehouse: LakehouseResource, tracking: TrackingResource
    ) -> dg.MaterializeResult:
        """One row is a feature of a day's served requests: how many values differ from the offline executor's, and why.

        Made from `served_predictions`, `events` and `labels`: each captured request is answered again by the offline
        executor as of its own time, from what was known then, by the feature view of the version that answered, and
        compared bit for bit; scores are computed again by that version. A difference comes with an example and the kind
        of skew that explains it. Rows of the kind `training` compare with the vectors of `features`, which training
        reads, where the version's view is the declared one: they differ where the lakehouse knew rows at another time
        than serving did.
        """
        writes = TableWrites(context, lakehouse, product, "parity_report")
        versions = _Versions(tracking.tracking_uri, product)
        reports = []
        for days in day_blocks(context, "event_date", product.spec.time):
            reads = RecordedReads(context, lakehouse.tables, product, noun="parity_report")
            report = _compared(reads, lakehouse.tables, versions, days)
            reports.append(report)
            frame = report.rows if days else report.rows.drop("event_date")
            writes.write_report(frame, days, made_from=reads.identity())
            context.log.info(f"{days or 'all requests'}: {report.summary}")
        whole = _united(reports)
        return writes.result(_shown(whole), check_results=_checks(whole, of=_words(versions, writes)))

    return [parity_report]


def _check_specs(key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    return [
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
    ]


def _words(versions: "_Versions", writes: TableWrites) -> str:
    """Which versions and days were compared, for people."""
    days = sorted(writes.rows_by_day)
    window = f"{days[0]} to {days[-1]}" if days else "all requests"
    answered = ", ".join(f"version {number}" for number in versions.numbers)
    return f"{answered}, {window}" if answered else window


class _Versions:
    """The models and feature views of versions, each fetched once."""

    def __init__(self, tracking_uri: str, product: Product) -> None:
        self._uri, self._product = tracking_uri, product
        self._registry = ModelRegistry(tracking_uri)
        self._models: dict[int, TrainedModel] = {}
        self._views = {product.view.digest: product.view}

    def models(self, numbers: Sequence[int]) -> dict[int, TrainedModel]:
        """The models by version."""
        for number in numbers:
            if number not in self._models:
                self._models[number] = self._registry.load(self._product.name, number)
        return {number: self._models[number] for number in numbers}

    @property
    def numbers(self) -> tuple[int, ...]:
        """Those that answered, in order."""
        return tuple(sorted(self._models))

    def view(self, digest: str | None, number: int) -> FeatureView:
        """The view of this digest, by which the version answered; the declared one where none was recorded."""
        known = self._views.get(digest or self._product.view.digest)
        if known is not None:
            return known
        version = self._registry.version(self._product.name, number)
        view = version_view(self._uri, version, declared=self._product.view)
        self._views[view.digest] = view
        return view


def _united(reports: Sequence[ParityReport]) -> ParityReport:
    return ParityReport(
        pl.concat([pl.DataFrame(schema=SCHEMA), *(report.rows for report in reports)]),
        sum(report.vectors for report in reports),
        sum(report.different for report in reports),
    )


def _compared(
    reads: RecordedReads, tables: DeltaTables, versions: _Versions, days: DayRange | None
) -> ParityReport:
    """Compare the requests of some days, those of each feature view by that view."""
    product = reads.product
    if not tables.exists(product.name, SERVED):
        reads.value("requests of these days", None)
        return _united([])
    captured = tables.read(product.name, SERVED, days=days).filter(pl.col("error").is_null())
    reads.rows("requests of these days", captured)
    if captured.is_empty():
        return _united([])
    if "feature_view" not in captured.columns:  # collected before it was recorded
        captured = captured.with_columns(feature_view=pl.lit(None, pl.String))
    declared = product.view.digest
    reports = []
    for (digest,), given in captured.group_by(
        pl.col("feature_view").fill_null(declared), maintain_order=True
    ):
        view = versions.view(str(digest), given["model_version"][0])
        models = versions.models(given["model_version"].unique(maintain_order=True).to_list())
        reads.value(
            f"models of feature view {view.digest}",
            {str(number): model.digest for number, model in sorted(models.items())},
        )
        reports.append(_by_view(reads, tables, view, models, days=days, captured=given))
    return _united(reports)


def _by_view(
    reads: RecordedReads,
    tables: DeltaTables,
    view: FeatureView,
    models: Mapping[int, TrainedModel],
    *,
    days: DayRange | None,
    captured: pl.DataFrame,
) -> ParityReport:
    """Compare what versions of one view answered.

    reads, tables: the lakehouse. view: of all these versions. models: theirs, by version. days: of the events, None for
    a cohort. captured: rows of `served_predictions` of these days.
    """
    product = reads.product
    history, events, replay = _replay(reads, tables, view, days)
    report = compare(captured, replay, models)
    asked = events.filter(pl.col(view.id_column).is_in(captured[view.id_column].implode()))
    rows = [report.rows, compare_requests(view, history, asked)]
    if view.digest == product.view.digest and tables.exists(product.name, "features"):
        stored = features_by_view(tables, product.name, view, days=days).rows
        stored = reads.rows("features", stored.select(view.id_column, *view.feature_names))
        cause = "unexplained: a cohort's rows have no time at which they became known"
        if days is not None:
            cause = arrival_delay(history, events, id_column=view.id_column).words
        rows.append(
            compare_with_training(
                captured, stored, models, id_column=view.id_column, view_digest=view.digest, cause=cause
            )
        )
    return replace(report, rows=pl.concat(rows))


def _replay(
    reads: RecordedReads, tables: DeltaTables, view: FeatureView, days: DayRange | None
) -> tuple[pl.DataFrame, pl.DataFrame, Replay]:
    """The lakehouse's events and the captured ones that the windows of these days reach, and both as a replay."""
    name, of_view = reads.product.name, f"for feature view {view.digest}"
    reach = days and days.with_lookback(view.lookback)
    history = tables.read(name, "events", columns=view.input_columns, days=reach)
    reads.rows(f"events {of_view}", history)
    columns = [view.id_column, "request", "event_timestamp", "known_at", "received_at"]
    captured = tables.read(name, SERVED, columns=columns, days=reach)
    reads.rows(f"{SERVED} {of_view}", captured)
    dtypes: Mapping[str, pl.DataType] = tables.schema(name, "events")
    events = captured_events(view, captured, dtypes=dtypes)
    labels = None
    if reach is not None and days is not None and view.needs_labels:
        known = DayRange(reach.first, days.end, "known_date")
        labels = tables.read(name, "labels", columns=view.label_columns, days=known)
        reads.rows(f"labels {of_view}", labels)
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


def _checks(report: ParityReport, *, of: str) -> list[dg.AssetCheckResult]:
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
            description=f"{of}: "
            + (
                "; ".join([*trained, *late["diagnosis"].unique().to_list()])
                or "served vectors are those that training reads"
            ),
            metadata={
                "different_features": late["feature"].n_unique(),
                "different_values": report.training_differs,
            },
        ),
        dg.AssetCheckResult(
            check_name="served_features_match",
            passed=report.is_equal,
            description=f"{of}: {report.summary}",
            metadata=dict(counts),
        ),
        dg.AssetCheckResult(
            check_name="requests_match_events",
            passed=unlike.is_empty(),
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{of}: "
            + ("; ".join(told) or "requests have the content of the lakehouse's events"),
        ),
    ]
