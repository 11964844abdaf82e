"""The windows of reports: one for each day of a run, which looks back, or all rows of a cohort."""

from datetime import UTC, date, datetime, timedelta

import dagster as dg

from mlops_assets.assets.support.reports.windows import ReportWindow, report_windows
from mlops_assets.automation.run_tags import day_range_tags
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets_tests.support.homes.small_home import small_product

FIRST, LAST = date(2018, 4, 10), date(2018, 4, 11)


def windows_of(*, is_partitioned: bool) -> list[ReportWindow]:
    """The windows of a run over two days, inside of a real asset."""
    found: list[ReportWindow] = []
    product = small_product(monitoring={"window_days": 3})
    days = dg.DailyPartitionsDefinition(start_date="2018-04-01", end_date="2018-05-01")

    @dg.asset(
        partitions_def=days if is_partitioned else None,
        backfill_policy=dg.BackfillPolicy.single_run() if is_partitioned else None,
    )
    def noun(context: dg.AssetExecutionContext) -> None:
        found.extend(report_windows(context, product, "event_date"))

    tags = day_range_tags(FIRST, LAST) if is_partitioned else {}
    assert dg.materialize([noun], tags=tags).success
    return found


def test_each_day_of_a_run_has_a_window_that_ends_with_it() -> None:
    first, second = windows_of(is_partitioned=True)
    assert (first.name, second.name) == ("2018-04-10", "2018-04-11")
    end = LAST + timedelta(days=1)
    assert second.days == DayRange(end - timedelta(days=3), end, "event_date")
    assert second.partition == DayRange(LAST, end, "event_date")
    assert second.days is not None
    assert second.words == second.days.words


def test_a_cohort_has_one_window_of_all_its_rows() -> None:
    (window,) = windows_of(is_partitioned=False)
    assert (window.name, window.words, window.days, window.partition) == ("all", "all rows", None, None)


def test_a_window_can_begin_earlier_and_keeps_its_end() -> None:
    days = DayRange(FIRST, LAST, "event_date")
    window = ReportWindow(days, FIRST)
    longer = window.since(datetime(2018, 4, 2, 13, tzinfo=UTC))
    assert longer == ReportWindow(DayRange(date(2018, 4, 2), LAST, "event_date"), FIRST)
    assert window.since(datetime(2018, 4, 20, tzinfo=UTC)) == window
    assert window.since(None) == window
    assert ReportWindow(None, None).since(datetime(2018, 4, 2, tzinfo=UTC)) == ReportWindow(None, None)
