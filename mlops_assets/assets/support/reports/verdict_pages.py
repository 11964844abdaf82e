"""The pages of windows as files of the reports' folder: written by `verdicts`, linked from its page in Dagster."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl

from mlops_assets.assets.support.pictures import page_only
from mlops_assets.assets.support.reports.windows import ReportWindow
from mlops_assets.core.files import replace_text
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.monitoring.drift.history import Span
from mlops_assets.core.monitoring.drift.windows import WindowDrift
from mlops_assets.core.monitoring.evidently_page import differences_in
from mlops_assets.core.monitoring.finding import Finding
from mlops_assets.core.monitoring.pages.headline import worst_columns
from mlops_assets.core.monitoring.pages.index_page import index_page
from mlops_assets.core.monitoring.pages.neighbours import ALL_WINDOWS, link_neighbours, links, windows_there
from mlops_assets.core.monitoring.pages.trend_page import ProductFacts, trend_page
from mlops_assets.core.monitoring.pages.window_page import (
    WORST_COLUMNS,
    FurtherPage,
    WindowFacts,
    window_page,
)
from mlops_assets.core.monitoring.reports import report_path
from mlops_assets.core.product import Product
from mlops_assets.resources.platform import PlatformResource

KIND = "verdicts"
_FURTHER = {
    "drift_report": "Evidently's drift report, drawn from a sample",
    "performance_report": "Evidently's classification report of the outcomes",
}


@page_only
def write_window_page(
    platform: PlatformResource, drift: WindowDrift, window: ReportWindow, findings: Sequence[Finding]
) -> dict[str, dg.MetadataValue]:
    """Write the page of one window, and return the link to it.

    platform: where pages lie. drift: the product, its champion, and what columns are compared with. window: of days.
    findings: all that is said of it.
    """
    if window.days is None:
        return {}
    days, product = window.days, drift.profiles.product
    known = frozenset(drift.profiles.columns)
    worst = [one for one in worst_columns(findings, WORST_COLUMNS) if one.subject in known]
    text = window_page(
        _facts(platform, drift, window),
        findings,
        [(one, drift.compared(days, one.subject)) for one in worst],
        links=links(None, None),
    )
    page = replace_text(_path(platform, product, window.name), text)
    return {"page": dg.MetadataValue.url(platform.report_url(page))}


@page_only
def write_pages_over_windows(
    platform: PlatformResource,
    tables: DeltaTables,
    product: Product,
    *,
    written: Sequence[ReportWindow],
    events: Mapping[date, int],
) -> dict[str, dg.MetadataValue]:
    """Write the page over all windows of a product and the one over all products; return the link to the first.

    platform: where pages lie. tables, product: whose findings are shown. written: windows whose pages are new, which
    are linked with those beside them; pages of shorter windows that they replace are removed. events: rows by day.
    """
    page = _path(platform, product, ALL_WINDOWS)
    _remove_replaced(platform, product, written)
    link_neighbours(page.parent, [window.name for window in written])
    facts = ProductFacts(
        product=product.name,
        title=product.spec.title,
        false_alarms=product.spec.monitoring.false_alarms_per_quarter,
    )
    findings: pl.DataFrame = tables.read(product.name, KIND)
    replace_text(page, trend_page(facts, findings, events, pages=windows_there(page.parent)))
    replace_text(platform.reports / "index.html", index_page(platform.reports, kind=KIND))
    return {"all_windows": dg.MetadataValue.url(platform.report_url(page))}


def _remove_replaced(platform: PlatformResource, product: Product, written: Sequence[ReportWindow]) -> None:
    """Remove pages of windows that ended within a written one's partition: its rows have taken the place of theirs."""
    for window in written:
        days = None if window.partition is None else Span(window.partition.first, window.partition.end).days()
        for day in days or ():
            if day != window.end_day:
                _path(platform, product, day.isoformat()).unlink(missing_ok=True)


def _path(platform: PlatformResource, product: Product, window: str) -> Path:
    return report_path(platform.reports, product=product.name, kind=KIND, window=window)


def _facts(platform: PlatformResource, drift: WindowDrift, window: ReportWindow) -> WindowFacts:
    champion, product = drift.profiles.champion, drift.profiles.product
    monitoring = product.spec.monitoring
    return WindowFacts(
        product=product.name,
        title=product.spec.title,
        name=window.name,
        days=window.words,
        version=champion.version,
        as_of=f"{champion.as_of:%Y-%m-%d %H:%M} UTC",
        reference=(
            f"what the version knew of {drift.history_days.words}, and how far its windows of {monitoring.window_days} "
            "days lie from each other"
        ),
        false_alarms=monitoring.false_alarms_per_quarter,
        could_tell_from=drift.could_tell_from.isoformat(),
        further=tuple(_further(platform, product, window, noun) for noun in _FURTHER),
    )


def _further(platform: PlatformResource, product: Product, window: ReportWindow, noun: str) -> FurtherPage:
    page = report_path(platform.reports, product=product.name, kind=noun, window=window.name)
    return FurtherPage(
        title=_FURTHER[noun],
        address=f"../{noun}/{page.name}" if page.is_file() else None,
        command=f"dg launch --assets {product.name}/{noun},{product.name}/{KIND} --partition {window.partition_key}",
        differences=differences_in(page),
    )
