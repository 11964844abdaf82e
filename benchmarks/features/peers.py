"""The 15 published fraud features by the peers: pandas' grouped time-rolling and DuckDB's range windows.

Both get the outcome as a column of the transaction, where ours joins two tables: with labels known exactly as long
after the event as the windows are delayed, a delayed window sees known labels only. Not here: timing.
"""

from datetime import timedelta

import duckdb
import pandas as pd
import polars as pl

from mlops_assets.products.fraud_detection.features import LABEL_DELAY

WINDOW_DAYS = (1, 7, 30)
_MICROSECONDS_PER_DAY = 86_400_000_000


def pandas_features(transactions: pd.DataFrame) -> pd.DataFrame:
    """Compute the features; one row per transaction, in any order."""
    frame = transactions.assign(
        is_weekend=(transactions["event_timestamp"].dt.dayofweek >= 5).astype("int8"),
        is_night=(transactions["event_timestamp"].dt.hour <= 6).astype("int8"),
    )
    # Rolling by group returns the groups one after the other: in frames sorted the same way no index is aligned.
    frame = frame.sort_values(["customer_id", "event_timestamp"], kind="stable", ignore_index=True)
    for days in WINDOW_DAYS:
        count, total = _rolling(frame, "customer_id", "amount_usd", timedelta(days=days), closed="neither")
        frame[f"customer_transaction_count_{days}d"] = count + 1
        frame[f"customer_mean_amount_{days}d"] = (total + frame["amount_usd"].to_numpy()) / (count + 1)
    frame = frame.sort_values(["terminal_id", "event_timestamp"], kind="stable", ignore_index=True)
    recent_count, recent_frauds = _rolling(frame, "terminal_id", "is_fraud", LABEL_DELAY, closed="left")
    for days in WINDOW_DAYS:
        window = LABEL_DELAY + timedelta(days=days)
        count, frauds = _rolling(frame, "terminal_id", "is_fraud", window, closed="neither")
        count = count - recent_count
        frame[f"terminal_transaction_count_{days}d"] = count
        frame[f"terminal_fraud_share_{days}d"] = ((frauds - recent_frauds) / count.where(count > 0)).fillna(
            0.0
        )
    return frame


def _rolling(
    frame: pd.DataFrame, entity: str, column: str, window: timedelta, *, closed: str
) -> tuple[pd.Series, pd.Series]:
    rolling = frame.groupby(entity).rolling(window, on="event_timestamp", closed=closed)[column]
    return tuple(result.fillna(0).reset_index(drop=True) for result in (rolling.count(), rolling.sum()))


def duckdb_table(transactions: pl.DataFrame) -> duckdb.DuckDBPyConnection:
    """Load the transactions into an in-memory DuckDB with two threads, the time as integer microseconds."""
    connection = duckdb.connect(":memory:", config={"threads": 2})
    time = pl.col("event_timestamp")
    events = transactions.with_columns(event_us=time.dt.epoch("us"), at_utc=time.dt.replace_time_zone(None))
    connection.register("events", events.to_arrow())
    connection.execute("CREATE TABLE transactions AS SELECT * FROM events")
    connection.unregister("events")
    return connection


def duckdb_features(connection: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """Compute the features; one row per transaction, in any order."""
    return connection.sql(_query()).pl()


def _query() -> str:
    columns, windows = [], []
    delay = LABEL_DELAY.days * _MICROSECONDS_PER_DAY
    for days in WINDOW_DAYS:
        span = days * _MICROSECONDS_PER_DAY
        windows += [
            f"customer_{days} AS (PARTITION BY customer_id ORDER BY event_us "
            f"RANGE BETWEEN {span - 1} PRECEDING AND 1 PRECEDING)",
            f"terminal_{days} AS (PARTITION BY terminal_id ORDER BY event_us "
            f"RANGE BETWEEN {delay + span - 1} PRECEDING AND {delay + 1} PRECEDING)",
        ]
        columns += [
            f"count(*) OVER customer_{days} + 1 AS customer_transaction_count_{days}d",
            f"(coalesce(sum(amount_usd) OVER customer_{days}, 0) + amount_usd) / (count(*) OVER customer_{days} + 1) "
            f"AS customer_mean_amount_{days}d",
            f"count(*) OVER terminal_{days} AS terminal_transaction_count_{days}d",
            f"coalesce(avg(is_fraud) OVER terminal_{days}, 0) AS terminal_fraud_share_{days}d",
        ]
    row = [
        "transaction_id",
        "amount_usd",
        "isodow(at_utc) >= 6 AS is_weekend",
        "hour(at_utc) <= 6 AS is_night",
    ]
    return f"SELECT {', '.join([*row, *columns])} FROM transactions WINDOW {', '.join(windows)}"
