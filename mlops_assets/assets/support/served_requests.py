"""The requests that services answered, collected or not, whose events the lakehouse may not hold yet."""

from datetime import UTC, date, datetime, timedelta

import polars as pl

from mlops_assets.core.errors import ServingError
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.online_store.protocol import OnlineStore
from mlops_assets.core.predictions.captured import TABLE, LandingTable
from mlops_assets.core.serving.prediction_record import PredictionRecord, decode_record

COLUMNS = ("request", "event_timestamp", "known_at", "received_at")
PAGE_RECORDS = 10_000


def served_requests(
    store: OnlineStore, tables: DeltaTables, landing: LandingTable, *, since: date
) -> pl.DataFrame:
    """Return the requests of events from the day `since` on that were answered: collected ones, and those in the store.

    One row per record: `request` (JSON), event, known and received time. A record that no table can hold is left out.

    store, tables, landing: where captured records are, and go.

    Raises: OnlineStoreError; TableError.
    """
    # The store first: what a collection moves meanwhile is then found here or there, perhaps twice.
    waiting = [
        record for record in _waiting(store) if record.error is None and landing.problem(record) is None
    ]
    rows = [landing.frame(waiting).filter(pl.col(landing.day_column) >= since).select(COLUMNS)]
    if tables.exists(landing.product, TABLE):
        tomorrow = datetime.now(UTC).date() + timedelta(days=1)
        days = DayRange(since, max(tomorrow, since) + timedelta(days=1))
        collected = tables.scan(landing.product, TABLE, days=days).filter(pl.col("error").is_null())
        rows.append(collected.select(COLUMNS).collect())
    return pl.concat(rows).unique(maintain_order=True)


def _waiting(store: OnlineStore) -> list[PredictionRecord]:
    records, after = [], ""
    while page := store.captured(after=after, limit=PAGE_RECORDS):
        after = page[-1].position
        for one in page:
            try:
                records.append(decode_record(one.content))
            except ServingError:  # its collection sets it aside
                continue
    return records
