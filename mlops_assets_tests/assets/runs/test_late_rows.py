"""Rows that arrive late or are corrected: what was known before stays, what comes after follows."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pandera.polars as pa
import polars as pl
import pytest

from mlops_assets.core.errors import ContractError
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.products.fraud_detection.schemas import UtcTime
from mlops_assets_tests.support.homes.changed_reader import arriving, changed_reader
from mlops_assets_tests.support.homes.home import COMMIT
from mlops_assets_tests.support.homes.small_home import AS_OF, FIRST_MONTH, INGEST, LAST_DAY, SmallHome

AS_OF_AT = datetime.combine(AS_OF, time(), UTC)
SECOND_MONTH = (FIRST_MONTH[1] + timedelta(days=1), LAST_DAY)


class AnySchema(pa.DataFrameModel):
    """The contract's columns without its own check of `known_at`."""

    transaction_id: int
    event_timestamp: UtcTime
    known_at: UtcTime
    customer_id: int
    terminal_id: int
    amount_usd: float


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
    before = home.read("training_set")
    events, labels = late_rows(home, known_at=AS_OF_AT)
    home = home.with_product(lambda product: arriving(product, events=events, labels=labels))
    home.materialize(*INGEST, days=FIRST_MONTH)
    home.materialize(*INGEST, days=SECOND_MONTH)
    assert home.read("rejected_events").is_empty()
    assert home.read("features").height == ingested_home.read("features").height + 40

    home.materialize("training_set", as_of=AS_OF)
    assert home.read("training_set").equals(before), "the same rows, of other inputs"
    home.materialize("training_set", as_of=AS_OF + timedelta(days=1))
    later = home.read("training_set")["transaction_id"]
    assert later.is_in(events["transaction_id"]).sum() > 40


def test_an_event_of_which_a_row_says_that_it_becomes_known_in_2081_is_rejected_and_new_entities_are_scored(
    ingested_home: SmallHome, tmp_path: Path
) -> None:
    stored = ingested_home.read("events").drop("event_date").filter(pl.col("event_timestamp") > AS_OF_AT)
    times = {
        "in 2081": pl.lit(datetime(2081, 1, 1, tzinfo=UTC)).cast(pl.Datetime("us", "UTC")),
        "before it happened": pl.col("event_timestamp") - timedelta(seconds=1),
    }
    wrong = pl.concat(
        stored[number : number + 1].with_columns(pl.col("transaction_id") + 10_000_000, known_at=time)
        for number, time in enumerate(times.values())
    )
    home = ingested_home.copy(tmp_path / "home", contract={"max_rejected_share": 0.05})
    home = home.with_product(lambda product: replace(arriving(product, events=wrong), event_schema=AnySchema))
    home.materialize(*INGEST, days=SECOND_MONTH)
    rejected = home.read("rejected_events").sort("known_at")
    assert [[reason.split(", got")[0] for reason in reasons] for reasons in rejected["reasons"]] == [
        ["known_at: not before event_timestamp"],
        ["known_at: not after the time of reading"],
    ]
    assert home.read("events").equals(ingested_home.read("events"))
    assert home.materialize("online_features").success
    (load,) = home.read("online_features").iter_rows(named=True)
    assert load["as_of"].year == 2018

    announced = home.product.spec.contract.model_copy(update={"known_before_event": True})
    spec = home.product.spec.model_copy(update={"contract": announced})
    home.with_product(lambda product: replace(product, spec=spec)).materialize(*INGEST, days=SECOND_MONTH)
    (still_rejected,) = home.read("rejected_events").iter_rows(named=True)
    assert still_rejected["known_at"].year == 2081
    assert home.read("events").height == ingested_home.read("events").height + 1


def test_a_stored_event_of_the_future_keeps_the_online_state_in_the_present(
    ingested_home: SmallHome, tmp_path: Path
) -> None:
    home = ingested_home.copy(tmp_path / "home")
    events = home.read("events", days=DayRange(LAST_DAY, LAST_DAY + timedelta(days=1)))
    future = pl.lit(datetime(2081, 1, 1, tzinfo=UTC)).cast(events.schema["known_at"])
    spoiled = events.with_columns(
        known_at=pl.when(pl.int_range(pl.len()) == 0).then(future).otherwise("known_at")
    )
    days = DayRange(LAST_DAY, LAST_DAY + timedelta(days=1))
    home.tables.write(home.name, "events", spoiled, days=days, commit=COMMIT)
    home.materialize("online_features")
    (load,) = home.read("online_features").iter_rows(named=True)
    assert load["as_of"].year == 2018


def test_labels_that_become_known_after_they_were_read_are_refused(
    ingested_home: SmallHome, tmp_path: Path
) -> None:
    def in_the_future(labels: pl.DataFrame) -> pl.DataFrame:
        return labels.with_columns(pl.col("known_at").dt.offset_by("60y"))

    home = ingested_home.copy(tmp_path / "home").with_product(
        lambda product: changed_reader(product, labels=in_the_future)
    )
    with pytest.raises(ContractError, match=r"known_at lies after the time of reading in \d+ of \d+ rows"):
        home.materialize("labels", days=LAST_DAY)
