"""Partitions of weeks and months: the same tables as by days, fewer reports, and a way there and back."""

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from mlops_assets.core.times import Period
from mlops_assets_tests.support.homes.small_home import (
    AS_OF,
    DATA,
    FIRST_DAY,
    INGEST,
    LAST_DAY,
    SCORE,
    SmallHome,
    small_product,
)

pytestmark = pytest.mark.rehearsal

FIRST_KEYS = {"week": date(2018, 3, 26), "month": date(2018, 4, 1)}
LAST_KEYS = {"week": date(2018, 5, 28), "month": date(2018, 5, 1)}
MONITOR = (*SCORE, "drift_report", "performance_report", "verdicts")


def rows_of(home: SmallHome, noun: str) -> pl.DataFrame:
    rows = home.tables.read(home.product.name, noun)
    return rows.select(sorted(rows.columns)).sort(pl.all())


@pytest.mark.parametrize("period", ["week", "month"])
def test_data_of_longer_partitions_are_those_of_days(
    ingested_home: SmallHome, tmp_path: Path, period: Period
):
    home = SmallHome(tmp_path, small_product(time={"partitions": period}, monitoring={"window_days": 35}))
    result = home.materialize(*INGEST, days=(FIRST_KEYS[period], LAST_KEYS[period]))
    for noun in (*DATA, "features"):
        assert rows_of(home, noun).equals(rows_of(ingested_home, noun)), noun
    with home.instance() as instance:
        made = instance.get_materialized_partitions(home.key("features"))
    assert len(made) == {"week": 10, "month": 2}[period]
    assert min(made) == FIRST_KEYS[period].isoformat()
    counts = [
        event.step_materialization_data.materialization.metadata["dagster/partition_row_count"].value
        for event in result.get_asset_materialization_events()
        if event.asset_key == home.key("events")
    ]
    assert len(counts) == len(made)
    assert sum(int(str(count)) for count in counts) == rows_of(home, "events").height


def test_a_product_goes_from_days_to_weeks_and_back(released_home: SmallHome, tmp_path: Path):
    days = (AS_OF - timedelta(days=6), LAST_DAY)
    by_day = released_home.copy(tmp_path / "day")
    by_day.materialize(*MONITOR, days=days)
    home = by_day.copy(tmp_path / "week", time={"partitions": "week"})
    home.materialize(*MONITOR, days=(date(2018, 5, 14), LAST_KEYS["week"]))
    for noun in SCORE:
        assert rows_of(home, noun).equals(rows_of(by_day, noun)), noun
    found, before = rows_of(home, "verdicts"), rows_of(by_day, "verdicts")
    assert found["event_date"].unique().sort().to_list() == [date(2018, 5, 20), date(2018, 5, 27), LAST_DAY]
    # The same windows were measured; limits are those of fewer looks.
    measured = ["event_date", "topic", "subject", "value", "expected", "low", "high"]
    ends = before.filter(pl.col("event_date").is_in(found["event_date"].unique().implode()))
    drift = pl.col("topic").is_in(["drift", "prediction_drift"])
    ours, theirs = (one.filter(~drift).select(measured).sort(measured) for one in (found, ends))
    assert ours.equals(theirs)
    # A column shows the part of it that moved most by its limit, which may be another part under other limits.
    narrower = found.filter(drift).join(
        ends.filter(drift), on=["event_date", "subject", "value"], suffix="_by_day"
    )
    assert narrower.filter(pl.col("limit") < pl.col("limit_by_day")).height > 0
    assert narrower.filter(pl.col("limit") > pl.col("limit_by_day")).is_empty()
    pages = home.settings.reports / home.product.name / "verdicts"
    # A page of a day whose rows the week has replaced would speak of nothing.
    named = [*found["event_date"].unique().sort().cast(pl.String), "index"]
    assert sorted(page.stem for page in pages.glob("*.html") if page.stem >= "2018-05-14") == named
    back = home.copy(tmp_path / "back", time={"partitions": "day"})
    back.materialize(*MONITOR, days=days)
    for noun in MONITOR:
        assert (
            rows_of(back, noun)
            .drop("run_id", strict=False)
            .equals(rows_of(by_day, noun).drop("run_id", strict=False))
        ), noun


def test_a_month_is_one_window_of_five_weeks(released_home: SmallHome, tmp_path: Path):
    home = released_home.copy(tmp_path, time={"partitions": "month"}, monitoring={"window_days": 35})
    assert FIRST_DAY < AS_OF
    home.materialize(*MONITOR, days=(LAST_KEYS["month"], LAST_KEYS["month"]))
    assert rows_of(home, "drift_report")["event_date"].max() == LAST_DAY
