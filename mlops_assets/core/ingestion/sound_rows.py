"""The stored rows that break nothing by themselves: events, and rows that were rejected only for repeating another.

Identity is judged over all of them. A look for keys reads the key columns alone, and of no file whose smallest and
largest key, as its table's log has them, leave no room for one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
from deltalake import DeltaTable

from mlops_assets.core.contracts.event_identity import UNIQUE, EventKeys
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.lakehouse.scan import scan_table
from mlops_assets.core.lakehouse.tables import DeltaTables

EVENTS, REJECTED = "events", "rejected_events"
REPEATS = "__repeats"
"""Column: the key for which a row was rejected as a repetition; null for an event."""
DAY = "event_date"


@dataclass(frozen=True)
class SoundRows:
    """The sound rows of a product's stored days."""

    tables: DeltaTables
    product: str
    keys: EventKeys

    def sharing(self, rows: pl.DataFrame, *, outside: Sequence[DayRange]) -> pl.DataFrame:
        """Return rows of other days that share the id, or the values of another unique key, with one of `rows`.

        Columns: those of the keys, `event_date`, and REPEATS. In no order.
        """
        found = [
            self._stored(table, rows, names, outside=outside)
            for table in (EVENTS, REJECTED)
            for names in ((self.keys.id_column,), *self.keys.unique)
        ]
        none = (
            rows.select(self.keys.columns)
            .clear()
            .with_columns(pl.lit(None, pl.Date).alias(DAY), pl.lit(None, pl.String).alias(REPEATS))
        )
        return pl.concat([none, *(frame for frame in found if frame is not None)]).unique()

    def of_days(self, days: DayRange, *, like: pl.DataFrame) -> pl.DataFrame:
        """Return the keys of the stored events of `days`, in the types of `like`."""
        none = like.select(self.keys.columns).clear()
        if not self.tables.exists(self.product, EVENTS):
            return none
        stored = self.tables.scan(self.product, EVENTS, days=days).select(self.keys.columns)
        return stored.cast(none.schema).collect()

    def versions(self) -> tuple[int, int]:
        """The versions of both tables, -1 for one that was never written; another one means that somebody wrote."""
        events, rejected = (
            self.tables.delta(self.product, table).version()
            if self.tables.exists(self.product, table)
            else -1
            for table in (EVENTS, REJECTED)
        )
        return events, rejected

    def _stored(
        self, table: str, rows: pl.DataFrame, names: tuple[str, ...], *, outside: Sequence[DayRange]
    ) -> pl.DataFrame | None:
        if not self.tables.exists(self.product, table):
            return None
        stored = self.tables.delta(self.product, table)
        files = _files_of_other_days(stored, outside)
        if files.is_empty():
            return None
        wanted = rows.select(names).drop_nulls().unique()
        reached = _days_with_room(files, wanted.to_series(0))
        if reached.is_empty():
            return None
        found = scan_table(stored).filter(pl.col(DAY).is_in(reached))
        if table == REJECTED:
            found = found.filter(self._is_only_repeated())
        repeats = pl.lit(None, pl.String)
        if table == REJECTED:
            repeats = pl.col("reasons").list.first().str.split(f": {UNIQUE}").list.first()
        key = found.select(*self.keys.columns, DAY, repeats.alias(REPEATS))
        keyed = key.cast({name: rows.schema[name] for name in self.keys.columns})
        return keyed.join(wanted.lazy(), on=list(names), how="semi").collect()

    def _is_only_repeated(self) -> pl.Expr:
        begins = [f"{column}: {UNIQUE}" for column in self.keys.checks()]
        is_repeat = pl.any_horizontal([pl.element().str.starts_with(text) for text in begins])
        return pl.col("reasons").list.eval(is_repeat).list.all()


def _files_of_other_days(stored: DeltaTable, outside: Sequence[DayRange]) -> pl.DataFrame:
    """What the table's log says of its files, one a row, but for those of days in `outside`."""
    files = pl.DataFrame(stored.get_add_actions(flatten=True))
    day = pl.col(f"partition.{DAY}")
    for days in outside if files.height else ():
        files = files.filter(~day.is_between(days.first, days.end, closed="left"))
    return files


def _days_with_room(files: pl.DataFrame, wanted: pl.Series) -> pl.Series:
    """Days of which a file's range of keys has room for a wanted one, or is not known."""
    if wanted.is_empty():
        return pl.Series(DAY, [], dtype=pl.Date)
    day, low, high = f"partition.{DAY}", f"min.{wanted.name}", f"max.{wanted.name}"
    if low not in files.columns or high not in files.columns:
        return files[day].unique()
    ordered = wanted.sort()
    try:
        lows, highs = files[low].cast(ordered.dtype), files[high].cast(ordered.dtype)
    except pl.exceptions.PolarsError:  # another type was stored under an earlier contract
        return files[day].unique()
    has_room = ordered.search_sorted(lows.fill_null(ordered[0]), side="left") < ordered.search_sorted(
        highs.fill_null(ordered[-1]), side="right"
    )
    return files.filter(has_room | lows.is_null() | highs.is_null())[day].unique()
