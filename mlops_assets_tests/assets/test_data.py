"""Bad input of every kind: the error says what, where and what to do, and what was stored before stays readable."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import polars as pl
import pytest

from mlops_assets.core.errors import PlatformError, SchemaDriftError, SourceError, TrainingError
from mlops_assets.core.product import Product, SourceContext
from mlops_assets_tests.support.homes.changed_reader import Change, changed_reader
from mlops_assets_tests.support.homes.small_home import (
    AS_OF,
    DATA,
    FIRST_DAY,
    INGEST,
    SmallHome,
    checks_of,
    failures_of,
    metadata_of,
    small_product,
)

DAY = FIRST_DAY + timedelta(days=1)
JUDGED = ("raw_events", "events", "rejected_events")


def from_file(path: Path) -> Product:
    """The small product, read from a user's own Parquet file."""
    return small_product(source={"kind": "parquet", "path": str(path), "options": {"label_delay_days": 7}})


@pytest.fixture(scope="module")
def transactions() -> pl.DataFrame:
    """Three days in the columns of a user's own file."""
    product = small_product()
    reader, context = product.readers["simulator"], SourceContext(product.spec.source, product.folder, Path())
    start = datetime.combine(FIRST_DAY, time(), UTC)
    events = reader.events(context, start=start, end=start + timedelta(days=3))
    labels = reader.labels(context, start=start, end=start + timedelta(days=10))
    return events.drop("known_at").join(labels.select("transaction_id", "is_fraud"), on="transaction_id")


@pytest.fixture(scope="module")
def good_home(transactions: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> SmallHome:
    """Three good days, up to their features; only to be copied."""
    folder = tmp_path_factory.mktemp("good")
    transactions.write_parquet(folder / "transactions.parquet")
    home = SmallHome(folder / "home", from_file(folder / "transactions.parquet"))
    home.materialize(*INGEST, days=(FIRST_DAY, FIRST_DAY + timedelta(days=2)))
    return home


@pytest.fixture
def home(good_home: SmallHome, tmp_path: Path) -> SmallHome:
    copied = good_home.copy(tmp_path / "home")
    return replace(copied, product=from_file(tmp_path / "transactions.parquet"))


def write_day(home: SmallHome, transactions: pl.DataFrame, change: Change) -> None:
    """Store the user's file with DAY changed."""
    is_day = pl.col("event_timestamp").dt.date() == DAY
    changed = change(transactions.filter(is_day))
    others = transactions.filter(~is_day)
    path = home.product.spec.source.path
    assert path is not None
    if changed.schema == others.schema:
        changed = pl.concat([others, changed])
    changed.write_parquet(path)


def everything(home: SmallHome) -> dict[str, pl.DataFrame]:
    return {noun: home.read(noun) for noun in INGEST}


def refused(home: SmallHome, *nouns: str, error: type[PlatformError], days: date | None = DAY) -> str:
    """The message of the error that stops the run; nothing that was stored before changes."""
    before, versions = everything(home), home.table_versions()
    with pytest.raises(error) as raised:
        home.materialize(*nouns, days=days)
    assert home.table_versions() == versions
    assert all(home.read(noun).equals(frame) for noun, frame in before.items())
    return str(raised.value)


def test_a_missing_file_is_named_with_what_lies_beside_it(home: SmallHome, tmp_path: Path) -> None:
    (tmp_path / "others.parquet").touch()
    message = refused(home, *JUDGED, error=SourceError)
    assert f"there is no {tmp_path}/transactions.parquet" in message
    assert "its folder has others.parquet" in message


def test_a_file_of_another_format_is_named(home: SmallHome, tmp_path: Path) -> None:
    (tmp_path / "transactions.parquet").write_text("transaction_id,amount\n1,2\n")
    assert "cannot be read as Parquet" in refused(home, *JUDGED, error=SourceError)


def test_a_retyped_column_is_named_with_both_types(home: SmallHome, transactions: pl.DataFrame) -> None:
    write_day(home, transactions, lambda day: day.with_columns(pl.col("amount_usd").cast(pl.String) + " USD"))
    message = refused(home, *JUDGED, error=SchemaDriftError)
    assert "fraud_detection/raw_events" in message
    assert "amount_usd" in message
    assert "String" in message
    assert "Float64" in message
    assert "change the contract and reprocess; otherwise mend the source" in message


def test_a_missing_column_is_named(home: SmallHome, transactions: pl.DataFrame) -> None:
    write_day(home, transactions, lambda day: day.drop("terminal_id"))
    message = refused(home, *JUDGED, error=SourceError)
    assert "has no column terminal_id" in message


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda frame: frame.with_columns(channel=pl.lit("web")), "channel"),
        (lambda frame: frame.drop("customer_id"), "customer_id"),
        (lambda frame: frame.cast({"terminal_id": pl.String}), "terminal_id"),
    ],
    ids=["unknown", "missing", "retyped"],
)
def test_columns_of_a_readers_own_that_differ_from_the_contract_are_named(
    good_home: SmallHome, tmp_path: Path, change: Change, named: str
) -> None:
    home = good_home.copy(tmp_path / "home").with_product(lambda p: changed_reader(p, events=change))
    message = refused(home, *JUDGED, error=SchemaDriftError)
    assert "fraud_detection/raw_events: the columns differ from the contract EventSchema" in message
    assert named in message


def test_a_day_whose_rows_are_all_rejected_stops_what_follows_and_keeps_the_rows_with_their_reasons(
    home: SmallHome, transactions: pl.DataFrame
) -> None:
    features = home.read("features")
    write_day(home, transactions, lambda day: day.with_columns(amount_usd=pl.lit(-1.0)))
    result = home.materialize(*INGEST, days=DAY, raises=False)
    assert not result.success
    assert checks_of(result) == {"rejected_share": False, "feed_spoke": True}
    assert "fraud_detection__features" not in {e.step_key for e in result.all_events if e.is_step_success}
    assert home.read("features").equals(features)
    count = transactions.filter(pl.col("event_timestamp").dt.date() == DAY).height
    (check, _) = result.get_asset_check_evaluations()
    assert check.description == f"{count} of {count} rows rejected (100.000%); the limit is 1.000%"

    rejected = home.read("rejected_events")
    assert rejected.height == count
    assert rejected["event_date"].unique().to_list() == [DAY]
    assert all("amount_usd" in reason for reason in rejected["reasons"].explode())
    events = home.read("events")
    assert events.filter(pl.col("event_date") == DAY).is_empty()
    assert events["event_date"].n_unique() == 2

    transactions.write_parquet(str(home.product.spec.source.path))
    assert home.materialize(*INGEST, days=DAY).success
    assert home.read("rejected_events").is_empty()
    assert home.read("events")["transaction_id"].sort().equals(transactions["transaction_id"].sort())
    assert home.read("features").sort("transaction_id").equals(features.sort("transaction_id"))


def test_a_wholly_rejected_day_stops_a_long_backfill_too(home: SmallHome, transactions: pl.DataFrame) -> None:
    """Three days are few, so the limit is set to what the run's mean would still pass."""
    write_day(home, transactions, lambda day: day.with_columns(amount_usd=pl.lit(-1.0)))
    lenient = home.product.spec.model_copy(
        update={"contract": home.product.spec.contract.model_copy(update={"max_rejected_share": 0.5})}
    )
    home = home.with_product(lambda product: replace(product, spec=lenient))
    result = home.materialize(*INGEST, days=(FIRST_DAY, FIRST_DAY + timedelta(days=2)), raises=False)
    assert checks_of(result) == {"rejected_share": False, "feed_spoke": True}
    (check, _) = result.get_asset_check_evaluations()
    assert str(DAY) in str(check.description)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda day: day.with_columns(
                amount_usd=pl.when(pl.int_range(pl.len()) == 3).then(float("nan")).otherwise("amount_usd")
            ),
            "amount_usd: not_nan, got NaN",
        ),
        (
            lambda day: day.with_columns(
                amount_usd=pl.when(pl.int_range(pl.len()) == 3).then(None).otherwise("amount_usd")
            ),
            "amount_usd: not_nullable, got null",
        ),
        (lambda day: pl.concat([day, day[5:6]]), "transaction_id: unique, got"),
    ],
    ids=["nan", "null", "duplicate key"],
)
def test_one_broken_row_is_rejected_alone(
    home: SmallHome, transactions: pl.DataFrame, change: Change, reason: str
) -> None:
    write_day(home, transactions, change)
    lenient = home.product.spec.contract.model_copy(update={"max_rejected_share": 0.05})
    spec = home.product.spec.model_copy(update={"contract": lenient})
    home = home.with_product(lambda product: replace(product, spec=spec))
    result = home.materialize(*INGEST, days=DAY)
    assert result.success
    (row,) = home.read("rejected_events").rows(named=True)
    (told,) = row["reasons"]
    assert told.startswith(reason)
    assert reason.split(":", maxsplit=1)[0] in str(
        metadata_of(result, home.key("rejected_events"))["reasons"].value
    )
    events = home.read("events")
    assert events["transaction_id"].is_unique().all()
    lost = transactions.height - events.height
    assert lost == (0 if "unique" in reason else 1)
    assert home.read("features").height == events.height


def test_a_day_without_rows_is_legal(home: SmallHome, transactions: pl.DataFrame) -> None:
    write_day(home, transactions, lambda day: day.clear())
    result = home.materialize(*INGEST, days=DAY)
    assert result.success
    assert checks_of(result) == {"rejected_share": True, "feed_spoke": True}
    assert metadata_of(result, home.key("features"))["dagster/partition_row_count"].value == 0
    days = [FIRST_DAY, FIRST_DAY + timedelta(days=2)]
    for noun in ("raw_events", "events", "features"):
        assert home.read(noun)["event_date"].unique().sort().to_list() == days


def test_a_first_day_without_rows_is_legal_too(transactions: pl.DataFrame, tmp_path: Path) -> None:
    transactions.clear().write_parquet(tmp_path / "transactions.parquet")
    home = SmallHome(tmp_path / "home", from_file(tmp_path / "transactions.parquet"))
    assert home.materialize(*INGEST, days=DAY).success
    assert all(home.read(noun).is_empty() for noun in INGEST)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda frame: frame.drop("is_fraud"), "is_fraud"),
        (lambda frame: frame.drop("known_at"), "known_at"),
        (lambda frame: frame.with_columns(is_fraud=pl.lit(2, pl.Int8)), "2"),
        (lambda frame: frame.with_columns(is_fraud=pl.lit(None, pl.Int8)), "null"),
        (lambda frame: frame.with_columns(source=pl.lit("bank")), "source"),
        (lambda frame: frame.with_columns(is_fraud=pl.lit("yes")), "String"),
        (
            lambda frame: pl.concat([frame, frame.with_columns(is_fraud=1 - pl.col("is_fraud"))]),
            "transaction_id",
        ),
    ],
    ids=["no outcome", "no time", "not 0 or 1", "null", "unknown column", "wrong type", "contradiction"],
)
def test_labels_that_cannot_be_are_refused_before_anything_is_written(
    good_home: SmallHome, tmp_path: Path, change: Change, told: str
) -> None:
    home = good_home.copy(tmp_path / "home").with_product(lambda p: changed_reader(p, labels=change))
    message = refused(home, "labels", error=PlatformError, days=DAY + timedelta(days=7))
    assert "fraud_detection/labels" in message
    assert told in message


def test_a_failed_step_shows_the_platforms_own_words(home: SmallHome) -> None:
    result = home.materialize(*DATA, days=DAY, raises=False)
    assert failures_of(result)["raw_events"].startswith(
        "SourceError: mlops_assets.core.errors.SourceError: source.path: there is no"
    )


def test_a_training_set_before_there_are_outcomes_says_which_are_needed(
    good_home: SmallHome, tmp_path: Path
) -> None:
    home = good_home.copy(tmp_path / "home")
    with pytest.raises(TrainingError, match=r"materialize labels"):
        home.materialize("training_set", as_of=AS_OF)
    with pytest.raises(TrainingError, match=r"labels has no rows: materialize labels first"):
        home.materialize("training_set")


def test_a_day_that_loses_an_id_to_an_earlier_event_is_written_and_told_as_materialized(
    home: SmallHome, transactions: pl.DataFrame
) -> None:
    later = DAY + timedelta(days=1)
    victim = transactions.filter(pl.col("event_timestamp").dt.date() == later)[0]
    earlier = victim.with_columns(pl.col("event_timestamp") - timedelta(days=1), amount_usd=pl.lit(1.25))
    write_day(home, transactions, lambda day: pl.concat([day, earlier]))
    result = home.materialize(*DATA, days=DAY)
    taken = pl.col("transaction_id") == victim["transaction_id"].item()
    assert home.read("events").filter(taken)["event_date"].to_list() == [DAY]
    (rejected,) = home.read("rejected_events").iter_rows(named=True)
    assert rejected["event_date"] == later
    assert rejected["reasons"] == [f"transaction_id: unique, got {victim['transaction_id'].item()}"]
    told = {
        (event.asset_key.path[-1], event.partition)
        for event in result.get_asset_materialization_events()
        if event.asset_key is not None and event.partition == later.isoformat()
    }
    assert told == {("events", later.isoformat()), ("rejected_events", later.isoformat())}
    transactions.write_parquet(str(home.product.spec.source.path))
    assert home.materialize(*DATA, days=DAY).success
    assert home.read("rejected_events").is_empty()
    assert home.read("events").filter(taken)["event_date"].to_list() == [later]


def test_a_corrected_event_is_a_version_and_leaves_its_own_features_as_they_were(
    home: SmallHome, transactions: pl.DataFrame
) -> None:
    before = home.read("features").sort("transaction_id")
    dated = transactions.with_columns(known_at=pl.col("event_timestamp"))
    first = dated.filter(pl.col("event_timestamp").dt.date() == DAY)[0]
    correction = first.with_columns(pl.col("known_at") + timedelta(hours=30), amount_usd=pl.lit(1.25))
    pl.concat([dated, correction]).write_parquet(str(home.product.spec.source.path))
    assert home.materialize(*INGEST, days=(FIRST_DAY, FIRST_DAY + timedelta(days=2))).success
    assert home.read("rejected_events").is_empty()
    versions = home.read("events").filter(pl.col("transaction_id") == first["transaction_id"].item())
    assert versions.sort("known_at")["amount_usd"].to_list() == [first["amount_usd"].item(), 1.25]
    after = home.read("features").sort("transaction_id")
    assert after.height == before.height
    is_it = pl.col("transaction_id") == first["transaction_id"].item()
    assert after.filter(is_it).equals(before.filter(is_it))
