"""How much later, or earlier, the lakehouse knew the events that serving saw: the skew of arrival."""

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from mlops_assets.core.times import KNOWN_AT


@dataclass(frozen=True)
class ArrivalDelay:
    """The captured events beside the lakehouse's first versions of them."""

    compared: int
    """Captured events that the lakehouse holds."""
    apart: int
    """Those that the lakehouse knew at another time than serving."""
    missing: int
    """Captured events that the lakehouse does not hold."""
    median: timedelta
    """Of those apart, whichever came first."""
    longest: timedelta

    @property
    def words(self) -> str:
        """One sentence, as a diagnosis."""
        if not self.apart and not self.missing:
            return "unexplained: the lakehouse knew every captured event when serving did"
        parts = []
        if self.apart:
            parts.append(
                f"the lakehouse knew {self.apart:,} of {self.compared:,} captured events at another time than serving "
                f"did, half of them by {self.median} and more, at most by {self.longest}"
            )
        if self.missing:
            parts.append(f"{self.missing:,} captured events are not in the lakehouse")
        return f"arrival delay: {'; '.join(parts)}"


def arrival_delay(history: pl.DataFrame, captured: pl.DataFrame, *, id_column: str) -> ArrivalDelay:
    """Compare the times at which events became known to serving and to the lakehouse.

    history: event versions of the lakehouse. captured: those of the captured requests, with the same id and `known_at`.
    """
    first = pl.col(KNOWN_AT).min()
    served = captured.group_by(id_column).agg(first.alias("served"))
    known = history.group_by(id_column).agg(first.alias("known"))
    both = served.join(known, on=id_column, how="left")
    apart = both.select((pl.col("known") - pl.col("served")).abs().alias("apart"))["apart"].drop_nulls()
    moved = apart.filter(apart > timedelta(0))
    longest, median = (moved.max(), moved.median()) if moved.len() else (timedelta(0), timedelta(0))
    return ArrivalDelay(
        compared=apart.len(),
        apart=moved.len(),
        missing=both["known"].null_count(),
        median=median if isinstance(median, timedelta) else timedelta(0),
        longest=longest if isinstance(longest, timedelta) else timedelta(0),
    )
