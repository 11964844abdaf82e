"""What the pages and checks of the monitoring reports have in common."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import dagster as dg
import polars as pl

from mlops_assets.assets.support.pictures import page_only, table
from mlops_assets.assets.support.reports.windows import ReportWindow
from mlops_assets.assets.support.table_writes import LOGGED_WRITES
from mlops_assets.core.release.champion import Champion
from mlops_assets.resources.platform import PlatformResource


class JudgedWindow(Protocol):
    """What every report says of a window."""

    @property
    def verdict(self) -> str:
        """One word."""
        ...

    @property
    def reason(self) -> str:
        """One sentence."""
        ...

    def to_frame(self) -> pl.DataFrame:
        """Its evidence as a table."""
        ...


def stamped(frame: pl.DataFrame, window: ReportWindow, champion: Champion, verdict: str) -> pl.DataFrame:
    """Add what each row speaks of: the window's verdict, the version, and the day that the window ends on."""
    told = frame.with_columns(
        window_verdict=pl.lit(verdict), champion_version=pl.lit(champion.version, pl.Int64)
    )
    return told if window.end_day is None else told.with_columns(event_date=pl.lit(window.end_day))


@page_only
def describe_window(
    context: dg.AssetExecutionContext,
    window: ReportWindow,
    metadata: Mapping[str, object],
    *,
    windows: Sequence[ReportWindow],
) -> None:
    """Show the metadata at the window's partition, and log its verdict; in a long catch-up only the newest one's.

    context: of the asset. window: what the metadata says something about. windows: all of the run.
    """
    context.add_asset_metadata(metadata, partition_key=window.partition_key)
    if len(windows) <= LOGGED_WRITES or window is windows[-1]:
        context.log.info(f"{window.name}: {metadata['verdict']}, {metadata['reason']}")


@page_only
def shared_metadata(
    report: JudgedWindow,
    champion: Champion,
    window: ReportWindow,
    link: dict[str, dg.MetadataValue],
) -> dict[str, object]:
    """Return what every report's page says: verdict, reason, version, window, table, and where Evidently's page is."""
    metadata: dict[str, object] = {
        "verdict": report.verdict,
        "reason": report.reason,
        "champion_version": champion.version,
        "window": window.words,
        "columns": table(report.to_frame()),
    }
    if window.end_day is not None:
        metadata["window_end"] = window.end_day.isoformat()
    return metadata | link


def page_link(platform: PlatformResource, page: Path | None) -> dict[str, dg.MetadataValue]:
    """Return where Evidently's page is read; nothing where none was written."""
    return {} if page is None else {"evidently_report": dg.MetadataValue.url(platform.report_url(page))}


def verdict_check(
    name: str,
    report: JudgedWindow,
    alarms: Sequence[str],
    champion: Champion,
    window: ReportWindow,
) -> dg.AssetCheckResult:
    """Judge a run by the verdict on its newest window.

    name: the check's. report: of that window. alarms: the verdicts that fail. champion, window: what it speaks of.
    """
    return dg.AssetCheckResult(
        check_name=name,
        passed=report.verdict not in alarms,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"version {champion.version}, {window.words}: {report.verdict}: {report.reason}",
        metadata={
            "verdict": report.verdict,
            "champion_version": champion.version,
            "window": window.words,
        },
    )
