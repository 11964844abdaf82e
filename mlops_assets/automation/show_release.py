"""Shows in Dagster what was decided about releases outside of it: by `mlops rollback`, by a judge, on another host."""

import dagster as dg

from mlops_assets.core.errors import PlatformError
from mlops_assets.core.lakehouse.write import CommitInfo
from mlops_assets.core.product_spec import ProductSpec
from mlops_assets.core.registry.version import ModelVersion
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.release.history import write_history
from mlops_assets.core.release.record import ReleaseRecord
from mlops_assets.core.release.steps import obstacles
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets.resources.release_page import CHECK, RECORD_ENTRIES, ReleasePage, release_page
from mlops_assets.resources.releases import release_control
from mlops_assets.resources.tracking import TrackingResource

MINIMUM_INTERVAL_SECONDS = 15
_DATA_VERSION = "dagster/data_version"


def show_release_sensor(spec: ProductSpec) -> dg.SensorDefinition:
    """Make the sensor `<product>__show_release`, switched on: when the release record has more entries than the page of
    `release` tells of, it materializes the asset and its check anew, without a run.

    A tick without a change costs one look at the record.
    """

    @dg.sensor(
        name=f"{spec.name}__show_release",
        minimum_interval_seconds=MINIMUM_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Shows decisions that were made outside of Dagster on the page of `release`.",
    )
    def show_release(
        context: dg.SensorEvaluationContext, lakehouse: LakehouseResource, tracking: TrackingResource
    ) -> dg.SensorResult | dg.SkipReason:
        control = release_control(lakehouse, tracking)
        record = control.record(spec.name)
        cursor = f"{record.state.table_id} {len(record.entries)}"
        if record.standing is None or context.cursor == cursor:
            return dg.SkipReason("the page of `release` tells all that was decided")
        key = dg.AssetKey([spec.name, "release"])
        if _told_entries(context.instance, key) == len(record.entries):
            return dg.SensorResult(skip_reason="a run has shown it already", cursor=cursor)
        commit = CommitInfo(run_id=f"{spec.name}__show_release")
        write_history(lakehouse.tables, spec.name, record.plans, commit=commit)
        page = _page(control, record, spec)
        return dg.SensorResult(asset_events=_events(key, page), cursor=cursor)

    return show_release


def _told_entries(instance: dg.DagsterInstance, key: dg.AssetKey) -> int | None:
    """How many entries the newest materialization tells of."""
    newest = instance.get_latest_materialization_event(key)
    materialization = newest.asset_materialization if newest is not None else None
    told = materialization.metadata.get(RECORD_ENTRIES) if materialization is not None else None
    return int(str(told.value)) if told is not None else None


def _page(control: ReleaseControl, record: ReleaseRecord, spec: ProductSpec) -> ReleasePage:
    newest: ModelVersion | None = None
    try:
        newest = control.newest(spec.name)
        decisions = record.decisions(newest.version)
        reasons = obstacles(newest, decisions, approval=spec.release.approval)
    except PlatformError as error:  # the plan stands and is shown, also where MLflow does not answer
        reasons = (f"the registry cannot say what is the newest version: {error}",)
    return release_page(record, newest=newest, reasons=reasons)


def _events(key: dg.AssetKey, page: ReleasePage) -> list[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
    return [
        dg.AssetMaterialization(
            key,
            description="shown without a run: the release record has changed",
            metadata=page.metadata,
            tags={_DATA_VERSION: page.data_version},
        ),
        dg.AssetCheckEvaluation(
            asset_key=key,
            check_name=CHECK,
            passed=page.passed,
            severity=dg.AssetCheckSeverity.WARN,
            description=page.description,
        ),
    ]
