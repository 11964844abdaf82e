"""What holds for `known_at` in every product: a row is not known before its event, nor after it was read.

Everything as of a time rests on `known_at`. A row that says it will be known in years would put the newest known time,
and with it whatever is made as of it, into the future.
"""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from mlops_assets.core.contracts.row_failures import RowFailure
from mlops_assets.core.times import KNOWN_AT

EVENT_TIMESTAMP = "event_timestamp"
NOT_AFTER_READING = "not after the time of reading"
NOT_BEFORE_EVENT = f"not before {EVENT_TIMESTAMP}"


@dataclass(frozen=True)
class KnownTimes:
    """Between which times a row may have become known."""

    read_at: datetime
    """When the rows are read, UTC."""
    may_precede_event: bool = False
    """Whether events are announced: known before they happen."""

    def broken(self, rows: pl.DataFrame) -> list[RowFailure]:
        """Return the rows that became known at an impossible time; none for rows that do not say when they did."""
        if rows.schema.get(KNOWN_AT) is None or rows.is_empty():
            return []
        rules = {NOT_AFTER_READING: pl.col(KNOWN_AT) > self.read_at}
        if EVENT_TIMESTAMP in rows.columns and not self.may_precede_event:
            rules[NOT_BEFORE_EVENT] = pl.col(KNOWN_AT) < pl.col(EVENT_TIMESTAMP)
        failures = [
            RowFailure(KNOWN_AT, check, rows.select(is_broken.fill_null(value=False)).to_series())
            for check, is_broken in rules.items()
        ]
        return [failure for failure in failures if failure.broken.any()]
