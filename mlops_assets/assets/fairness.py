"""The asset `fairness_report`: whether each sensitive group is served as well as on the champion's test rows."""

from dataclasses import replace

import dagster as dg

from mlops_assets.assets.support.asset_options import product_asset, upstream, window_lookback
from mlops_assets.assets.support.pictures import page_only
from mlops_assets.assets.support.recorded_reads import RecordedReads
from mlops_assets.assets.support.reports.outcomes import SAME_ROWS, UnseenOutcomes
from mlops_assets.assets.support.reports.pages import (
    describe_window,
    shared_metadata,
    stamped,
    verdict_check,
)
from mlops_assets.assets.support.reports.report_writes import ReportWrites
from mlops_assets.assets.support.reports.windows import ReportWindow, report_windows
from mlops_assets.assets.support.table_writes import TableWrites
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.monitoring.quality.fairness import (
    FairnessReport,
    ReferenceGroups,
    fairness_report,
    reference_groups,
)
from mlops_assets.core.monitoring.quality.group_rows import champion_test_rows
from mlops_assets.core.monitoring.quality.group_values import measure_groups, sensitive_slices
from mlops_assets.core.product import Product
from mlops_assets.core.release.champion import Champion, load_champion
from mlops_assets.core.runtime.threads import one_blas_thread
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets.resources.releases import release_control
from mlops_assets.resources.tracking import TrackingResource

NOUN = "fairness_report"


def fairness_asset(product: Product) -> dg.AssetsDefinition:
    """Build the asset of a product that declares a sensitive slice."""
    lookback = window_lookback(product)
    key = dg.AssetKey([product.name, NOUN])

    @product_asset(
        product,
        NOUN,
        stage="monitoring",
        kinds={"polars", "deltalake"},
        is_partitioned=True,
        deps=[upstream(product, "outcomes", lookback=lookback)],
        check_specs=[
            dg.AssetCheckSpec(
                "fairness_holds",
                asset=key,
                description="No sensitive group is served worse than in the test.",
            )
        ],
    )
    def fairness_report(
        context: dg.AssetExecutionContext, lakehouse: LakehouseResource, tracking: TrackingResource
    ) -> dg.MaterializeResult:
        """One row is a metric of a sensitive group in a window of outcomes, beside the champion's on its test rows.

        Made from `outcomes` that became known in the trailing window, of events that the champion was not made from:
        the primary metric, the selection rate less that of all rows, and the calibration bias of every group of the
        sensitive slices. State is ok, alarm or inconclusive. Read by `verdicts`.
        """
        tables = lakehouse.tables
        champion = load_champion(
            release_control(lakehouse, tracking), product.name, declared_view=product.view
        )
        reference = _reference(tables, product, champion)
        writes = TableWrites(context, lakehouse, product, NOUN)
        windows = list(report_windows(context, product, "known_date"))
        unseen = UnseenOutcomes.read(tables, product, champion, windows=windows, columns=_columns(product))
        any_reads = RecordedReads(context, tables, product, noun=NOUN)
        with ReportWrites(writes) as reports, one_blas_thread():
            for window in windows:
                reads = any_reads.another()
                report = _judged(reads, unseen, champion, window, reference)
                rows = stamped(report.to_frame(), window, champion, report.verdict)
                reports.add(rows, window.partition, reads=reads)
                describe_window(context, window, _metadata(report, champion, window), windows=windows)
        return writes.result(
            check_results=[verdict_check("fairness_holds", report, ("degraded",), champion, window)]
        )

    return fairness_report


def _columns(product: Product) -> list[str]:
    """What tells rows apart: the sensitive slices, and the entity whose rows are not independent."""
    group = product.spec.evaluation.group_column
    slices = [one.column for one in sensitive_slices(product.spec.evaluation)]
    return [*slices, *([] if group is None else [group])]


def _reference(tables: DeltaTables, product: Product, champion: Champion) -> ReferenceGroups:
    rows = champion_test_rows(tables, product, champion, columns=_columns(product))
    label = product.spec.label.column
    return reference_groups(
        rows.sort(product.spec.id_column), label=label, score="score", evaluation=product.spec.evaluation
    )


def _judged(
    reads: RecordedReads,
    unseen: UnseenOutcomes,
    champion: Champion,
    window: ReportWindow,
    reference: ReferenceGroups,
) -> FairnessReport:
    product = reads.product
    outcomes = reads.rows("the window", unseen.within(window))
    reads.value("whether these are rows that the champion was made from", unseen.are_used)
    reads.value("the champion", (*champion.facts, champion.held_out))
    reads.declared("evaluation", "label", "monitoring")
    spec = product.spec
    values = measure_groups(
        outcomes.sort("prediction_id"), label=spec.label.column, score="score", evaluation=spec.evaluation
    )
    report = fairness_report(
        values,
        reference,
        evaluation=spec.evaluation,
        monitoring=spec.monitoring,
        days_between=spec.days_between_windows,
    )
    return replace(report, verdict="inconclusive", reason=SAME_ROWS) if unseen.are_used else report


@page_only
def _metadata(report: FairnessReport, champion: Champion, window: ReportWindow) -> dict[str, object]:
    return shared_metadata(report, champion, window, {})
