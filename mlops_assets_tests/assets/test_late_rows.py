"""Rows that arrive late or are corrected: what was known before stays, what comes after follows."""

from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import polars as pl

from mlops_assets_tests.support.homes.changed_reader import arriving
from mlops_assets_tests.support.homes.small_home import AS_OF, FIRST_MONTH, INGEST, LAST_DAY, SmallHome

AS_OF_AT = datetime.combine(AS_OF, time(), UTC)
SECOND_MONTH = (FIRST_MONTH[1] + timedelta(days=1), LAST_DAY)


def late_rows(home: SmallHome, *, known_at: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """New events and corrected ones of the training window, known at a time, and labels of the new ones."""
    stored = home.read("events").drop("event_date")
    inside = stored.filter(
        pl.col("event_timestamp").is_between(AS_OF_AT - timedelta(days=48), AS_OF_AT - timedelta(days=36))
    ).sort("transaction_id")
    known = pl.lit(known_at).cast(pl.Datetime("us", "UTC"))
    new = inside[:40].with_columns(pl.col("transaction_id") + 10_000_000, known_at=known)
    corrected = inside[40:80].with_columns(known_at=known, amount_usd=pl.lit(3.25))
    labels = new.select(
        "transaction_id",
        "event_timestamp",
        known_at=pl.col("event_timestamp") + timedelta(days=7),
        is_fraud=pl.lit(1, pl.Int8),
    )
    return pl.concat([new, corrected]), labels


def test_a_training_set_as_of_a_past_day_stays_as_it_was_when_events_arrive_and_are_corrected(
    ingested_home: SmallHome, tmp_path: Path
) -> None:
    home = ingested_home.copy(tmp_path / "home")
    home.materialize("training_set", as_of=AS_OF)
    before, version = home.read("training_set"), home.table_versions()["training_set"]
    events, labels = late_rows(home, known_at=AS_OF_AT)
    home = home.with_product(lambda product: arriving(product, events=events, labels=labels))
    home.materialize(*INGEST, days=FIRST_MONTH)
    home.materialize(*INGEST, days=SECOND_MONTH)
    assert home.read("rejected_events").is_empty()
    assert home.read("features").height == ingested_home.read("features").height + 40

    home.materialize("training_set", as_of=AS_OF)
    assert home.read("training_set").equals(before)
    assert home.table_versions()["training_set"] == version
    home.materialize("training_set", as_of=AS_OF + timedelta(days=1))
    later = home.read("training_set")["transaction_id"]
    assert later.is_in(events["transaction_id"]).sum() > 40
