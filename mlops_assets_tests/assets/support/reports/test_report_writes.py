from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from mlops_assets.assets.support.day_blocks import BLOCK_DAYS
from mlops_assets.assets.support.recorded_reads import LIBRARIES, RecordedReads
from mlops_assets.assets.support.reports.report_writes import ReportWrites
from mlops_assets.assets.support.table_writes import TableWrites
from mlops_assets.catalogue import load_product
from mlops_assets.core.identity.identity import Identity
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.resources.lakehouse import LakehouseResource

PRODUCT = "fraud_detection"
FIRST_DAY = date(2018, 4, 1)


def day_at(number: int) -> DayRange:
    return DayRange(FIRST_DAY + timedelta(days=number), FIRST_DAY + timedelta(days=number + 1))


def report(tables: DeltaTables, numbers: Iterable[int], *, fails_at: int | None = None) -> bool:
    """Write a report of some days in one run; say whether the run succeeded."""

    @dg.asset(key=[PRODUCT, "report"], code_version="1", metadata={LIBRARIES: dg.MetadataValue.json([])})
    def made(context: dg.AssetExecutionContext) -> None:
        product = load_product(PRODUCT)
        writes = TableWrites(context, LakehouseResource(tables_uri=tables.root), product, "report")
        with ReportWrites(writes) as reports:
            for number in numbers:
                if number == fails_at:
                    raise ValueError(number)
                reads = RecordedReads(context, tables, product, noun="report")
                reads.value("the number", number)
                rows = pl.DataFrame({"number": [number], "event_date": [day_at(number).first]})
                reports.add(rows, day_at(number), reads=reads)

    return dg.materialize([made], raise_on_error=False).success


def made_from(tables: DeltaTables, number: int) -> Identity:
    found = Identity.read_json(tables.last_commit_info(PRODUCT, "report", days=day_at(number)).inputs)
    assert found is not None
    return found


@pytest.fixture
def tables(tmp_path: Path) -> DeltaTables:
    return DeltaTables(str(tmp_path))


def commits(tables: DeltaTables) -> int:
    return tables.delta(PRODUCT, "report").version() + 1


def test_consecutive_days_are_one_commit_and_a_gap_begins_another(tables: DeltaTables):
    days = [*range(BLOCK_DAYS + 2), 50, 51]
    assert report(tables, days)
    assert commits(tables) == 3
    assert tables.read(PRODUCT, "report")["number"].sort().to_list() == days


def test_days_written_together_hold_what_days_written_alone_hold(tables: DeltaTables, tmp_path: Path):
    alone = DeltaTables(str(tmp_path / "alone"))
    assert report(tables, range(5))
    assert all(report(alone, [number]) for number in range(5))
    together, one_by_one = (each.read(PRODUCT, "report").sort("number") for each in (tables, alone))
    assert together.equals(one_by_one)


def test_a_commit_says_what_each_of_its_windows_was_made_from(tables: DeltaTables):
    assert report(tables, range(3))
    told = made_from(tables, 1)
    assert len(told.read) == 3
    assert report(tables, range(3))
    assert commits(tables) == 1
    assert report(tables, [1])
    assert made_from(tables, 1).read != told.read
    assert set(made_from(tables, 1).read) == {"the number"}
    assert tables.read(PRODUCT, "report").height == 3


def test_a_window_that_fails_takes_none_of_those_before_it_along(tables: DeltaTables):
    assert not report(tables, range(BLOCK_DAYS + 5), fails_at=BLOCK_DAYS + 3)
    assert tables.read(PRODUCT, "report")["number"].sort().to_list() == list(range(BLOCK_DAYS + 3))
    assert report(tables, range(BLOCK_DAYS + 5))
    assert tables.read(PRODUCT, "report").height == BLOCK_DAYS + 5
