"""What a run over a range of days says about each day, and what about all of them."""

from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import polars as pl

from mlops_assets.assets.support.recorded_reads import LIBRARIES, RecordedReads
from mlops_assets.assets.support.table_writes import TableWrites
from mlops_assets.catalogue import load_product
from mlops_assets.core.lakehouse.day_range import DayRange, rows_by_day
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import CommitInfo
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets_tests.support.homes.small_home import FIRST_DAY, FIRST_MONTH, SmallHome


def metadata_by_day(home: SmallHome, noun: str) -> dict[str, dict[str, object]]:
    """Metadata of the newest materialization of each partition."""
    with home.instance() as instance:
        records = instance.fetch_materializations(home.key(noun), limit=1000).records
    found: dict[str, dict[str, object]] = {}
    for record in records:
        materialization = record.asset_materialization
        if materialization is not None and materialization.partition is not None:
            values = {name: entry.value for name, entry in materialization.metadata.items()}
            found.setdefault(materialization.partition, values)
    return found


def test_every_day_of_a_range_says_its_own_rows(ingested_home: SmallHome) -> None:
    stored = dict(ingested_home.tables.day_counts("fraud_detection", "events").iter_rows())
    said = metadata_by_day(ingested_home, "events")
    assert {
        date.fromisoformat(day): values["dagster/partition_row_count"] for day, values in said.items()
    } == stored
    assert all(values["table_version"] in {0, 1} for values in said.values())


def test_pictures_schema_and_lineage_travel_with_the_newest_day_of_a_run_only(
    ingested_home: SmallHome,
) -> None:
    said = metadata_by_day(ingested_home, "features")
    with_picture = {day for day, values in said.items() if "distributions" in values}
    newest = {str(FIRST_MONTH[1]), str(FIRST_DAY + timedelta(days=60))}
    assert with_picture == newest
    assert {day for day, values in said.items() if "dagster/column_schema" in values} == newest
    assert {day for day, values in said.items() if "dagster/column_lineage" in values} == newest
    rows = [said[day]["dagster/row_count"] for day in sorted(newest)]
    counts = ingested_home.tables.day_counts("fraud_detection", "features")
    until = counts.filter(pl.col("event_date") <= FIRST_MONTH[1])["rows"].sum()
    assert rows == [until, counts["rows"].sum()]


def test_a_materialization_keeps_the_last_event_for_the_asset_s_page(ingested_home: SmallHome) -> None:
    with ingested_home.instance() as instance:
        event = instance.get_latest_materialization_event(ingested_home.key("features"))
    assert event is not None
    assert isinstance(event.asset_materialization, dg.AssetMaterialization)
    assert event.asset_materialization.partition == str(FIRST_DAY + timedelta(days=60))
    assert "distributions" in event.asset_materialization.metadata


def test_days_without_rows_are_counted_as_zero() -> None:
    days = DayRange(date(2018, 4, 1), date(2018, 4, 4))
    frame = pl.DataFrame({"event_date": [date(2018, 4, 1), date(2018, 4, 3), date(2018, 4, 1)]})
    assert rows_by_day(frame, days) == {
        date(2018, 4, 1): 2,
        date(2018, 4, 2): 0,
        date(2018, 4, 3): 1,
    }


def test_rows_of_a_report_go_beside_those_of_a_version_with_other_columns(tmp_path: Path) -> None:
    tables, commit = DeltaTables(str(tmp_path)), CommitInfo(run_id="before", code_version="1")
    old = pl.DataFrame({"column": ["amount"], "threshold": [0.2], "event_date": [FIRST_DAY]})
    tables.write("fraud_detection", "noun", old, days=one_day(0), commit=commit)

    @dg.asset(
        key=["fraud_detection", "noun"], code_version="2", metadata={LIBRARIES: dg.MetadataValue.json([])}
    )
    def noun(context: dg.AssetExecutionContext) -> None:
        product = load_product("fraud_detection")
        writes = TableWrites(context, LakehouseResource(tables_uri=str(tmp_path)), product, "noun")
        for number in (1, 2):
            day = FIRST_DAY + timedelta(days=number)
            rows = pl.DataFrame({"column": ["amount"], "limit": [0.1], "event_date": [day]})
            reads = RecordedReads(context, tables, product, noun="noun")
            writes.write_report(rows, one_day(number), made_from=reads.identity())

    assert dg.materialize([noun]).success
    stored = tables.read("fraud_detection", "noun").sort("event_date")
    assert stored.select("threshold", "limit").rows() == [(0.2, None), (None, 0.1), (None, 0.1)]


def one_day(number: int) -> DayRange:
    return DayRange(FIRST_DAY + timedelta(days=number), FIRST_DAY + timedelta(days=number + 1))
