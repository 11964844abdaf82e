"""The two feeds of fraud detection, transactions and outcomes: simulated, or read from a user's own file."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

import polars as pl

from mlops_assets.core.contracts.unreadable import UNREADABLE, parse_texts
from mlops_assets.core.errors import SourceError
from mlops_assets.core.ingestion.changed_days import look_at_days
from mlops_assets.core.product import RawData, Reader, SourceContext
from mlops_assets.core.source_files import data_files
from mlops_assets.core.times import KNOWN_AT
from mlops_assets.products.fraud_detection.simulator import Simulation, simulate

TIMESTAMP = pl.Datetime("us", "UTC")
EVENT_COLUMNS = ("transaction_id", "event_timestamp", "known_at", "customer_id", "terminal_id", "amount_usd")
LABEL_COLUMNS = ("transaction_id", "event_timestamp", "known_at", "is_fraud")
HANDBOOK_COLUMNS = {
    "TRANSACTION_ID": "transaction_id",
    "TX_DATETIME": "event_timestamp",
    "CUSTOMER_ID": "customer_id",
    "TERMINAL_ID": "terminal_id",
    "TX_AMOUNT": "amount_usd",
    "TX_FRAUD": "is_fraud",
}
"""The Fraud Detection Handbook's column names and ours; its further columns are left aside."""
OUR_COLUMNS = tuple(HANDBOOK_COLUMNS.values())
HANDBOOK_TYPES = {
    "transaction_id": pl.Int64,
    "customer_id": pl.Int64,
    "terminal_id": pl.Int64,
    "amount_usd": pl.Float64,
}
"""The Handbook's own files carry ids as Python objects, which some writers store as text."""
DEFAULT_LABEL_DELAY_DAYS = 7


def simulated_events(context: SourceContext, *, start: datetime | None, end: datetime | None) -> pl.DataFrame:
    """Simulate the transactions of [start, end), known as they happen; a bound of None leaves that side open.

    Options: the fields of `Simulation`, start_date as ISO text, and label_delay_days.
    Raises: SourceError for an option that the simulator does not have.
    """
    simulation, _ = _simulation(context.source.options)
    return _as_events(_simulate_between(simulation, start, end))


def simulated_labels(context: SourceContext, *, start: datetime | None, end: datetime | None) -> pl.DataFrame:
    """Return the outcomes that became known in [start, end), of transactions label_delay_days earlier."""
    simulation, delay = _simulation(context.source.options)
    earlier_start, earlier_end = (None if bound is None else bound - delay for bound in (start, end))
    return _as_labels(_simulate_between(simulation, earlier_start, earlier_end), delay)


def file_events(context: SourceContext, *, start: datetime | None, end: datetime | None) -> pl.DataFrame:
    """Read the transactions of [start, end) from a Parquet file in our column names or the Handbook's.

    Only the row groups of the asked time are read. Times without a zone are UTC; without a column `known_at`
    a transaction is known as it happens. `path` may be a file, a folder of files or a pattern with `*`. Ids and amounts
    may be text; where a text is no number, its row is rejected by the contract.

    Raises: SourceError when there is no such file, it cannot be read, or columns are missing.
    """
    frame = _scan(context)
    read = _collect(_between(frame, "event_timestamp", start, end), context)
    return _as_events(parse_texts(read, HANDBOOK_TYPES))


def file_labels(context: SourceContext, *, start: datetime | None, end: datetime | None) -> pl.DataFrame:
    """Read the outcomes that became known in [start, end), label_delay_days after their transactions.

    Rows without an outcome (null) are no labels.

    Raises: SourceError as `file_events`, and for an id that is text and no number.
    """
    delay = timedelta(days=float(context.source.options.get("label_delay_days", DEFAULT_LABEL_DELAY_DAYS)))
    earlier_start, earlier_end = (None if bound is None else bound - delay for bound in (start, end))
    frame = _between(_scan(context), "event_timestamp", earlier_start, earlier_end)
    known = frame.filter(pl.col("is_fraud").is_not_null())
    read = parse_texts(_collect(known, context), HANDBOOK_TYPES | {"is_fraud": pl.Float64})
    if UNREADABLE in read.columns:
        first = read.filter(pl.col(UNREADABLE).is_not_null()).row(0, named=True)
        raise SourceError(f"source.path: {context.file()}: not a number in {first}")
    return _as_labels(read, delay)


def look_at_file_events(
    context: SourceContext, *, start: datetime | None, end: datetime | None
) -> pl.DataFrame:
    """Count the transactions of each day of [start, end) in the file; only columns of times are read."""
    return _look(context, _between(_scan(context), "event_timestamp", start, end), "event_timestamp")


def look_at_file_labels(
    context: SourceContext, *, start: datetime | None, end: datetime | None
) -> pl.DataFrame:
    """Count the outcomes that became known on each day of [start, end); only their column and times are read."""
    delay = timedelta(days=float(context.source.options.get("label_delay_days", DEFAULT_LABEL_DELAY_DAYS)))
    rows = _scan(context).filter(pl.col("is_fraud").is_not_null())
    known = rows.with_columns(known_at=pl.col("event_timestamp") + delay)
    return _look(context, _between(known, KNOWN_AT, start, end), KNOWN_AT)


SOURCES: Mapping[str, Reader] = {
    "simulator": Reader(events=simulated_events, labels=simulated_labels),
    "parquet": Reader(
        events=file_events,
        labels=file_labels,
        look_at_events=look_at_file_events,
        look_at_labels=look_at_file_labels,
    ),
}


def sample(seed: int) -> RawData:
    """Simulate some 5,000 transactions of 60 days among few customers and terminals; some 10 % are frauds."""
    simulation = Simulation(
        customers=50,
        terminals=300,
        days=60,
        radius=15,
        seed=seed,
        compromised_terminals_per_day=1,
        compromised_customers_per_day=1,
    )
    transactions = _simulate_between(simulation, None, None)
    return RawData(
        events=_as_events(transactions),
        labels=_as_labels(transactions, timedelta(days=DEFAULT_LABEL_DELAY_DAYS)),
    )


def _simulation(options: Mapping[str, str | int | float | bool]) -> tuple[Simulation, timedelta]:
    arguments = dict(options)
    delay = timedelta(days=float(arguments.pop("label_delay_days", DEFAULT_LABEL_DELAY_DAYS)))
    try:
        if "start_date" in arguments:
            arguments["start_date"] = date.fromisoformat(str(arguments["start_date"]))  # pyright: ignore[reportArgumentType]
        return Simulation(**arguments), delay  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError) as error:
        known = ", ".join((*Simulation.__dataclass_fields__, "label_delay_days"))
        raise SourceError(
            f"source.options of the simulator: {error}; it takes {known}, with start_date as YYYY-MM-DD"
        ) from error


def _simulate_between(simulation: Simulation, start: datetime | None, end: datetime | None) -> pl.DataFrame:
    midnight = datetime.combine(simulation.start_date, time(), UTC)
    start = start or midnight
    end = end or midnight + timedelta(days=simulation.days)
    day_after = (end - timedelta(microseconds=1)).date() + timedelta(days=1)
    frame = simulate(simulation, start=start.date(), end=day_after)
    return frame.filter(pl.col("event_timestamp") >= start, pl.col("event_timestamp") < end)


def _as_events(transactions: pl.DataFrame) -> pl.DataFrame:
    if "known_at" not in transactions.columns:
        transactions = transactions.with_columns(known_at="event_timestamp")
    noted = [UNREADABLE] if UNREADABLE in transactions.columns else []
    return transactions.select(*EVENT_COLUMNS, *noted)


def _as_labels(transactions: pl.DataFrame, delay: timedelta) -> pl.DataFrame:
    return transactions.with_columns(known_at=pl.col("event_timestamp") + delay).select(LABEL_COLUMNS)


def _scan(context: SourceContext) -> pl.LazyFrame:
    path = context.file()
    files = data_files(path, suffix=".parquet")
    try:
        frame = pl.scan_parquet(list(files), glob=False)
        columns = frame.collect_schema().names()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SourceError(f"source.path: {path} cannot be read as Parquet: {error}") from error
    if "transaction_id" not in columns and "TRANSACTION_ID" in columns:
        names = tuple(HANDBOOK_COLUMNS)
        present = {name: ours for name, ours in HANDBOOK_COLUMNS.items() if name in columns}
        frame = frame.rename(present)
    else:
        names = OUR_COLUMNS
    missing = [name for name in names if name not in columns]
    if missing:
        raise SourceError(
            f"source.path: {path} has no column {', '.join(missing)}; it has {', '.join(columns)}; "
            f"needed are {', '.join(OUR_COLUMNS)}, or the Fraud Detection Handbook's "
            f"{', '.join(HANDBOOK_COLUMNS)}"
        )
    return frame.with_columns(
        _utc(frame, name) for name in ("event_timestamp", "known_at") if name in frame.collect_schema()
    )


def _look(context: SourceContext, rows: pl.LazyFrame, time: str) -> pl.DataFrame:
    if KNOWN_AT not in rows.collect_schema():
        rows = rows.with_columns(pl.col(time).alias(KNOWN_AT))
    try:
        return look_at_days(rows, pl.col(time).dt.date())
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SourceError(f"source.path: {context.file()} cannot be read: {error}") from error


def _utc(frame: pl.LazyFrame, name: str) -> pl.Expr:
    dtype = frame.collect_schema()[name]
    if not isinstance(dtype, pl.Datetime):
        return pl.col(name)
    column = pl.col(name) if dtype.time_zone else pl.col(name).dt.replace_time_zone("UTC")
    return column.dt.convert_time_zone("UTC").dt.cast_time_unit("us")


def _between(frame: pl.LazyFrame, column: str, start: datetime | None, end: datetime | None) -> pl.LazyFrame:
    if start is not None:
        frame = frame.filter(pl.col(column) >= start)
    return frame if end is None else frame.filter(pl.col(column) < end)


def _collect(frame: pl.LazyFrame, context: SourceContext) -> pl.DataFrame:
    try:
        return frame.sort("event_timestamp", "transaction_id").collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SourceError(f"source.path: {context.file()} cannot be read: {error}") from error
