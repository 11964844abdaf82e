"""The product's folder: feeds, contract, declaration and features."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from mlops_assets.core.contracts.contract import apply_contract
from mlops_assets.core.errors import ContractError, SourceError
from mlops_assets.core.labels.contract import check_labels
from mlops_assets.core.product import SourceContext
from mlops_assets.core.product_spec import Source
from mlops_assets.products.fraud_detection import dataset
from mlops_assets.products.fraud_detection.schemas import EventSchema

FOLDER = Path(dataset.__file__).parent
WEEK = timedelta(days=7)
OPTIONS = {"customers": 40, "terminals": 300, "radius": 15, "days": 40, "seed": 3}
HANDBOOK_NAMES = {ours: theirs for theirs, ours in dataset.HANDBOOK_COLUMNS.items()}


@pytest.fixture(scope="module")
def sample():
    return dataset.sample(7)


def _day(number: int) -> datetime:
    return datetime(2018, 4, 1, tzinfo=UTC) + timedelta(days=number)


def _simulator(**options) -> SourceContext:
    return SourceContext(Source(kind="simulator", options=OPTIONS | options), folder=FOLDER, cache=FOLDER)


def _file(path: Path, **options) -> SourceContext:
    return SourceContext(Source(kind="parquet", path=str(path), options=options), folder=FOLDER, cache=FOLDER)


def _write(folder: Path, *, names: str = "ours") -> Path:
    context, reader = _simulator(), dataset.SOURCES["simulator"]
    labels = reader.labels(context, start=None, end=None).select("transaction_id", "is_fraud")
    frame = reader.events(context, start=None, end=None).join(labels, on="transaction_id").drop("known_at")
    if names == "handbook":
        frame = frame.rename(HANDBOOK_NAMES).with_columns(
            pl.col("TX_DATETIME").dt.replace_time_zone(None), TX_FRAUD_SCENARIO=pl.lit(0)
        )
    path = folder / f"{names}.parquet"
    frame.write_parquet(path)
    return path


def _read(feed: str, context: SourceContext, start=None, end=None) -> pl.DataFrame:
    return getattr(dataset.SOURCES[context.source.kind], feed)(context, start=start, end=end)


@pytest.mark.parametrize("feed", ["events", "labels"])
def test_days_read_one_by_one_equal_all_days_read_at_once(feed):
    known_by = "event_timestamp" if feed == "events" else "known_at"
    days = [_read(feed, _simulator(), _day(n), _day(n + 1)) for n in range(60)]
    for number, day in enumerate(days):
        assert day[known_by].dt.date().unique().to_list() in ([], [_day(number).date()])
    assert pl.concat(days).equals(_read(feed, _simulator()))


def test_a_part_of_a_day_is_cut_at_the_second():
    start, end = _day(4) + timedelta(hours=9, minutes=30), _day(6) + timedelta(hours=15)
    whole = _read("events", _simulator())
    time = pl.col("event_timestamp")
    assert _read("events", _simulator(), start, end).equals(whole.filter(time >= start, time < end))


def test_every_transaction_gets_its_outcome_a_week_later_and_events_carry_none():
    events, labels = _read("events", _simulator()), _read("labels", _simulator())
    assert events.columns == list(dataset.EVENT_COLUMNS)
    assert labels["transaction_id"].equals(events["transaction_id"])
    assert (labels["known_at"] - labels["event_timestamp"] == WEEK).all()
    assert labels.schema["is_fraud"] == pl.Int8
    slow = _read("labels", _simulator(label_delay_days=10))
    assert (slow["known_at"] - slow["event_timestamp"] == timedelta(days=10)).all()


def test_an_option_that_the_simulator_lacks_is_refused_with_those_it_has():
    with pytest.raises(SourceError, match=r"clients.*customers, terminals.*label_delay_days"):
        _read("events", _simulator(clients=3))
    with pytest.raises(SourceError, match="start_date as YYYY-MM-DD"):
        _read("events", _simulator(start_date="April"))


@pytest.mark.parametrize("names", ["ours", "handbook"])
def test_a_file_of_the_same_rows_gives_the_same_feeds_as_the_simulator(tmp_path, names):
    context = _file(_write(tmp_path, names=names))
    assert _read("events", context).equals(_read("events", _simulator()))
    assert _read("labels", context).equals(_read("labels", _simulator()))
    window = (_day(9), _day(12))
    assert _read("events", context, *window).equals(_read("events", _simulator(), *window))
    assert _read("labels", context, *window).equals(_read("labels", _simulator(), *window))


def test_handbook_ids_that_were_stored_as_text_become_numbers(tmp_path):
    path = _write(tmp_path, names="handbook")
    pl.read_parquet(path).cast({"CUSTOMER_ID": pl.String, "TERMINAL_ID": pl.String}).write_parquet(path)
    assert _read("events", _file(path)).equals(_read("events", _simulator()))


def test_an_id_that_is_no_number_rejects_its_row_and_no_other(tmp_path):
    path = _write(tmp_path, names="handbook")
    texts = pl.read_parquet(path).with_columns(pl.col("CUSTOMER_ID").cast(pl.String))
    is_first = pl.col("TRANSACTION_ID") == texts["TRANSACTION_ID"].min()
    texts.with_columns(
        pl.when(is_first).then(pl.lit("C-1")).otherwise("CUSTOMER_ID").alias("CUSTOMER_ID")
    ).write_parquet(path)
    result = apply_contract(
        _read("events", _file(path)), EventSchema, id_column="transaction_id", subject="file"
    )
    assert result.rejected["reasons"].to_list() == [["customer_id: is Int64, got C-1"]]
    assert result.accepted.height == texts.height - 1


def test_a_fractional_id_rejects_its_row_and_a_fractional_outcome_is_refused(tmp_path):
    path = _write(tmp_path, names="handbook")
    rows = pl.read_parquet(path)
    first = rows["TRANSACTION_ID"].min()
    is_first = pl.col("TRANSACTION_ID") == first
    broken = rows.with_columns(
        pl.when(is_first).then(1.7).otherwise(pl.col("CUSTOMER_ID").cast(pl.Float64)).alias("CUSTOMER_ID")
    )
    broken.write_parquet(path)
    result = apply_contract(
        _read("events", _file(path)), EventSchema, id_column="transaction_id", subject="file"
    )
    assert result.rejected["reasons"].to_list() == [["customer_id: is Int64, got 1.7"]]
    rows.with_columns(TX_FRAUD=pl.when(is_first).then(0.9).otherwise(0.0)).write_parquet(path)
    with pytest.raises(
        ContractError, match=r"is_fraud is neither 0 nor 1 in 1 of \d+ rows, for example .*0\.9"
    ):
        check_labels(
            _read("labels", _file(path)),
            id_column="transaction_id",
            label="is_fraud",
            has_times=True,
            events=EventSchema,
            subject="file/labels",
        )


@pytest.mark.parametrize("pattern", ["dt=*/part-0.parquet", "dt=2018-0?-*", "", "*"])
def test_folders_as_spark_writes_them_are_read_by_any_pattern(tmp_path, pattern):
    folder = tmp_path / "tx [archive] 100% #1"
    rows = pl.read_parquet(_write(tmp_path))
    for (day,), part in rows.group_by(pl.col("event_timestamp").dt.date(), maintain_order=True):
        (folder / f"dt={day}").mkdir(parents=True)
        part.write_parquet(folder / f"dt={day}" / "part-0.parquet")
        (folder / f"dt={day}" / ".part-0.parquet.crc").write_bytes(b"crc")
    (folder / "_SUCCESS").write_bytes(b"")
    (folder / "_temporary").mkdir()
    (folder / "_temporary" / "part-1.parquet").write_bytes(b"half")
    assert _read("events", _file(folder / pattern)).equals(_read("events", _simulator()))


def test_rows_without_an_outcome_are_events_but_no_labels(tmp_path):
    path = _write(tmp_path)
    frame = pl.read_parquet(path)
    is_open = pl.col("transaction_id") == frame["transaction_id"][0]
    frame.with_columns(pl.when(~is_open).then("is_fraud").alias("is_fraud")).write_parquet(path)
    assert _read("events", _file(path)).height == frame.height
    assert _read("labels", _file(path)).height == frame.height - 1


def test_a_missing_or_foreign_file_is_refused_with_what_is_there_and_what_is_needed(tmp_path):
    path = _write(tmp_path)
    with pytest.raises(SourceError, match=r"there is no .*other\.parquet; its folder has ours\.parquet"):
        _read("events", _file(tmp_path / "other.parquet"))
    pl.read_parquet(path).drop("terminal_id").write_parquet(path)
    with pytest.raises(SourceError, match=r"no column terminal_id; it has .*amount_usd.*TERMINAL_ID"):
        _read("labels", _file(path))
    path.write_text("transaction_id,amount\n")
    with pytest.raises(SourceError, match="cannot be read as Parquet"):
        _read("events", _file(path))


def test_the_sample_is_small_valid_seeded_and_has_both_outcomes(sample):
    result = apply_contract(sample.events, EventSchema, id_column="transaction_id", subject="sample")
    assert result.rejected.is_empty()
    assert 500 < sample.events.height < 10_000
    assert sample.labels["is_fraud"].n_unique() == 2
    assert sample.events.equals(dataset.sample(7).events)
