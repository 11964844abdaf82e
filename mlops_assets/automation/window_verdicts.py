"""The verdicts of the monitoring reports, read from Dagster's event log.

The reports' materializations carry the metadata `verdict`, `window_end`, `champion_version` and
`alarmed_columns`; a sensor reads these instead of tables, so that a tick costs some small queries.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import dagster as dg

DRIFT, PERFORMANCE, ESTIMATE = "drift_report", "performance_report", "verdicts"
ALARMS: Mapping[str, str] = {DRIFT: "drift", PERFORMANCE: "degraded", ESTIMATE: "degraded"}
"""The monitoring assets that can ask for a retraining, and the verdict with which each does."""
BROKEN = "broken"
"""The verdict that names a source to be mended, which asks for nothing."""
_CAUSES: Mapping[str, str] = {DRIFT: "drift", PERFORMANCE: "performance", ESTIMATE: "estimated_performance"}
HISTORY_WINDOWS = 60
"""How many of the latest partitions of a report are read; an alarm that lasts longer counts as a new one."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Window:
    """One report's verdict on one window."""

    report: str
    """drift_report, performance_report or verdicts, which says what the primary metric is estimated to do."""
    window_end: date
    """Last UTC day of the window: the data's own time."""
    verdict: str
    champion_version: int
    alarmed_columns: tuple[str, ...] = ()
    reason: str = ""

    @property
    def is_alarm(self) -> bool:
        """Whether the verdict asks for action."""
        return self.verdict == ALARMS[self.report]

    @property
    def causes(self) -> frozenset[str]:
        """What it complains of: `drift:<column>`, `performance` or `estimated_performance`; empty without an alarm."""
        if not self.is_alarm:
            return frozenset()
        subject = _CAUSES[self.report]
        return frozenset(f"{subject}:{column}" for column in self.alarmed_columns) or frozenset({subject})


def newest_record(instance: dg.DagsterInstance, product: str) -> int:
    """Return the storage id of the newest materialization of the product's reports, 0 without any."""
    return max(max(_record_ids(instance, product, report).values(), default=0) for report in ALARMS)


def reporting_run(instance: dg.DagsterInstance, product: str) -> str | None:
    """Return the run of the newest of a report's materializations that has not ended; None where all have.

    A window has all its verdicts only when the run has: between two reports of it, drift may stand there without what
    is said of its quality.
    """
    for report in ALARMS:
        newest = max(_record_ids(instance, product, report).values(), default=None)
        if newest is None:
            continue
        chosen = dg.AssetRecordsFilter(asset_key=dg.AssetKey([product, report]), storage_ids=[newest])
        for record in instance.fetch_materializations(chosen, limit=1).records:
            run = instance.get_run_by_id(record.run_id) if record.run_id else None
            if run is not None and not run.is_finished:
                return run.run_id
    return None


def read_windows(instance: dg.DagsterInstance, product: str) -> tuple[Window, ...]:
    """Read the newest verdict of each of the latest partitions of the product's reports, oldest record first.

    A partition that was materialized again counts once. A materialization without the metadata (reported by
    hand) is left out and logged.
    """
    records = [record for report in ALARMS for record in _latest_records(instance, product, report)]
    windows = (_window(record) for record in sorted(records, key=lambda record: record.storage_id))
    return tuple(window for window in windows if window is not None)


def _record_ids(instance: dg.DagsterInstance, product: str, report: str) -> Mapping[str, int]:
    """Newest storage id by partition."""
    return instance.get_latest_storage_id_by_partition(
        dg.AssetKey([product, report]), dg.DagsterEventType.ASSET_MATERIALIZATION
    )


def _latest_records(instance: dg.DagsterInstance, product: str, report: str) -> Sequence[dg.EventLogRecord]:
    ids = _record_ids(instance, product, report)
    latest = [ids[partition] for partition in sorted(ids)[-HISTORY_WINDOWS:]]
    if not latest:
        return []
    chosen = dg.AssetRecordsFilter(asset_key=dg.AssetKey([product, report]), storage_ids=latest)
    return instance.fetch_materializations(chosen, limit=HISTORY_WINDOWS).records


def _window(record: dg.EventLogRecord) -> Window | None:
    materialization = record.asset_materialization
    if materialization is None:
        return None
    report = materialization.asset_key.path[-1]
    metadata = {name: entry.value for name, entry in materialization.metadata.items()}
    missing = [name for name in ("verdict", "window_end", "champion_version") if name not in metadata]
    if missing:
        where = f"{materialization.asset_key.to_user_string()}, partition {record.partition_key}"
        logger.warning("%s: the materialization has no %s and is left out", where, ", ".join(missing))
        return None
    return Window(
        report=report,
        window_end=date.fromisoformat(str(metadata["window_end"])),
        verdict=str(metadata["verdict"]),
        champion_version=int(str(metadata["champion_version"])),
        alarmed_columns=_names(metadata.get("alarmed_columns")),
        reason=str(metadata.get("reason", "")),
    )


def _names(value: object) -> tuple[str, ...]:
    """Column names from JSON metadata or from JSON text."""
    names = json.loads(value) if isinstance(value, str) else value
    return tuple(str(name) for name in names) if isinstance(names, Sequence) else ()
