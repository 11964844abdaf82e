"""Each fault of a source, planted in one day's rows and brought in as production does: what is said, and of what."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from mlops_assets_tests.support.homes.changed_reader import changed_reader
from mlops_assets_tests.support.homes.small_home import (
    INGEST,
    LAST_DAY,
    SCORE,
    SmallHome,
    checks_of,
    failures_of,
)

pytestmark = pytest.mark.rehearsal

Fault = Callable[[pl.DataFrame], pl.DataFrame]
DAY = LAST_DAY - timedelta(days=2)
ON_DAY = pl.col("event_timestamp").dt.date() == DAY
SINCE = pl.col("event_timestamp").dt.date() >= DAY
AMOUNT, NUMBER = pl.col("amount_usd"), pl.col("transaction_id")
REPORTS = (*SCORE, "drift_report", "performance_report", "verdicts")


def amounts(value: pl.Expr) -> Fault:
    """Give the day's transactions other amounts."""
    return lambda rows: rows.with_columns(pl.when(ON_DAY).then(value).otherwise(AMOUNT).alias("amount_usd"))


def kept(which: pl.Expr) -> Fault:
    """Keep these of the day's transactions."""
    return lambda rows: rows.filter(~ON_DAY | which)


def added(which: pl.Expr, *, number: int) -> Fault:
    """Add these transactions again, with numbers so much larger."""
    return lambda rows: pl.concat([rows, rows.filter(which).with_columns(NUMBER + number)])


BROKEN = {
    "a smaller unit": (amounts(AMOUNT / 100), "amount_usd", "has the unit changed"),
    "values out of range": (
        amounts(AMOUNT + pl.when(NUMBER % 5 == 0).then(3000.0).otherwise(0.0)),
        "amount_usd",
        "lie outside",
    ),
    "one value throughout": (amounts(pl.lit(50.0)), "amount_usd", "every row has the value 50"),
    "the day twice under new ids": (added(ON_DAY, number=10_000_000), "amount_usd", "read twice"),
    "no row": (kept(pl.lit(value=False)), "events", "0 events"),
    "a twentieth of the rows": (kept(NUMBER % 20 == 0), "events", "are usual on this day of the week"),
}
REFUSED = {
    "a column is gone": (lambda rows: rows.drop("amount_usd"), "raw_events", "missing column amount_usd"),
    "a new column": (
        lambda rows: rows.with_columns(channel=pl.lit("web")),
        "raw_events",
        "new column channel",
    ),
    "another type": (
        lambda rows: rows.with_columns(AMOUNT.cast(pl.String)),
        "raw_events",
        "retyped column amount_usd",
    ),
    "nulls everywhere": (amounts(pl.lit(None, pl.Float64)), "events", "rejected_share"),
    "nulls in a third": (amounts(pl.when(NUMBER % 3 > 0).then(AMOUNT)), "events", "rejected_share"),
    "a larger unit": (amounts(AMOUNT * 100), "events", "rejected_share"),
    "the same ids twice": (added(ON_DAY, number=0), "events", "rejected_share"),
}
CHANGED = {
    "nothing": lambda rows: rows,
    "a third more transactions from now on": added(SINCE & (NUMBER % 3 == 1), number=30_000_000),
}


def run_with(fault: Fault, released_home: SmallHome, folder: Path):
    home = released_home.copy(folder).with_product(lambda product: changed_reader(product, events=fault))
    return home, home.materialize(*INGEST, *REPORTS, days=(DAY, LAST_DAY), raises=False)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_source_is_named_with_column_and_day(name: str, released_home: SmallHome, tmp_path: Path):
    fault, column, words = BROKEN[name]
    home, result = run_with(fault, released_home, tmp_path)
    assert result.success
    newest = home.read("verdicts").filter(pl.col("event_date") == LAST_DAY)
    (found,) = newest.filter(
        pl.col("topic") == "data_quality", pl.col("state") == "alarm", pl.col("subject") == column
    ).iter_rows(named=True)
    assert (found["cause"], found["partition"]) == ("broken", DAY.isoformat())
    assert words in found["reason"]
    report = home.read("drift_report").filter(pl.col("event_date") == LAST_DAY)
    assert report["window_verdict"].unique().to_list() == ["broken"]
    assert not checks_of(result)["no_drift"]
    # Whatever moved is explained by the fault: nothing asks for a new model.
    moved = newest.filter(pl.col("topic").is_in(["drift", "joint_drift"]), pl.col("state") == "alarm")
    assert set(moved["cause"]) <= {"broken"}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_contract_forbids_comes_no_further(name: str, released_home: SmallHome, tmp_path: Path):
    fault, noun, words = REFUSED[name]
    home, result = run_with(fault, released_home, tmp_path)
    assert words in failures_of(result)[noun]
    assert home.read("features").equals(released_home.read("features"))
    assert not home.tables.exists(home.product.name, "verdicts")


@pytest.mark.parametrize("name", CHANGED)
def test_a_change_of_the_world_is_not_called_broken(name: str, released_home: SmallHome, tmp_path: Path):
    home, result = run_with(CHANGED[name], released_home, tmp_path)
    assert result.success
    newest = home.read("verdicts").filter(pl.col("event_date") == LAST_DAY)
    assert newest.filter(pl.col("cause") == "broken").is_empty()


def test_a_feed_that_stopped_is_stale_and_silent(released_home: SmallHome, tmp_path: Path):
    home, result = run_with(lambda rows: rows.filter(~SINCE), released_home, tmp_path)
    assert result.success
    assert not checks_of(result)["feed_spoke"]
    alarms = home.read("verdicts").filter(pl.col("event_date") == LAST_DAY, pl.col("state") == "alarm")
    assert {"age", "data_quality"} <= set(alarms["topic"])
    assert alarms["cause"].unique().to_list() == ["broken"]
