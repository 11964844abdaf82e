"""Which rows are the same event, versions of it, or another event under an id that is taken.

Rows of one id and one `event_timestamp` are versions of one event, each known from its own `known_at` on: a correction
is a further version, and no mistake. Everything else that shares an id, or a value of another unique column, is: one
row stays, and the later one is rejected. Later is what became known later; of rows that became known at once, what
happened later; of those, the one with the larger id and the larger values. So nothing depends on the order in which
rows were delivered or days were ingested.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandera.polars as pa
import polars as pl

from mlops_assets.core.contracts.row_failures import RowFailure
from mlops_assets.core.times import KNOWN_AT

EVENT_TIMESTAMP = "event_timestamp"
UNIQUE = "unique"
"""Name of the check in reasons."""


@dataclass(frozen=True)
class EventKeys:
    """The columns that tell events apart."""

    id_column: str
    times: tuple[str, ...]
    """Those of `known_at` and `event_timestamp` that the contract has; none for a cohort."""
    unique: tuple[tuple[str, ...], ...] = ()
    """Further columns, or groups of columns, whose values two events must not share; nulls may be shared."""

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that identity needs, each once."""
        further = [name for names in self.unique for name in names]
        return tuple(dict.fromkeys([self.id_column, *self.times, *further]))

    def checks(self) -> tuple[str, ...]:
        """The names under which failures of identity are told, as `column` of a RowFailure."""
        return (self.id_column, *(", ".join(names) for names in self.unique))


def event_keys(schema: type[pa.DataFrameModel], *, id_column: str, columns: Sequence[str]) -> EventKeys:
    """Return what a contract says about uniqueness; the id is unique whether it says so or not."""
    contract = schema.to_schema()
    together = contract.unique or []
    groups = [(name,) for name, column in contract.columns.items() if column.unique]
    groups += (
        [tuple(together)]
        if together and isinstance(together[0], str)
        else [tuple(names) for names in together]
    )
    unique = tuple(dict.fromkeys(names for names in groups if names != (id_column,)))
    times = tuple(name for name in (KNOWN_AT, EVENT_TIMESTAMP) if name in columns)
    return EventKeys(id_column, times, unique)


def repeated_rows(sound: pl.DataFrame, keys: EventKeys) -> list[RowFailure]:
    """Return which rows repeat another one, one failure per key, with a mask over `sound`.

    sound: rows that break nothing by themselves, with all columns of the keys.
    """
    contested = contested_rows(sound, keys)
    if not contested.any():
        return []
    places = pl.arg_where(contested, eager=True)
    # The further keys come before the rest, which rows of other days are told apart without.
    order = dict.fromkeys([*keys.times, *keys.columns, *sound.columns])
    comparable = [name for name in order if not sound.schema[name].is_nested()]
    rows = sound[places].with_columns(places.alias("__place")).sort(comparable, maintain_order=True)
    refused = _refused(rows, keys)
    failures = []
    for number, column in enumerate(keys.checks()):
        mine = rows["__place"].filter(refused == number)
        if mine.len():
            none = pl.Series("broken", [False]).new_from_index(0, sound.height)
            failures.append(RowFailure(column, UNIQUE, none.scatter(mine, True)))
    return failures


def contested_rows(rows: pl.DataFrame, keys: EventKeys) -> pl.Series:
    """Per row, whether another one shares its id or the values of another unique key."""
    contested = _is_shared(rows, (keys.id_column,))
    for names in keys.unique:
        contested |= _is_shared(rows, names)
    return contested


def first_versions(events: pl.DataFrame, *, id_column: str) -> pl.DataFrame:
    """Keep of each event the version that was known first; a cohort's rows, which have no `known_at`, all stay."""
    if KNOWN_AT not in events.columns or not events[id_column].is_duplicated().any():
        return events
    return events.filter(pl.col(KNOWN_AT) == pl.col(KNOWN_AT).min().over(id_column))


def _is_shared(rows: pl.DataFrame, names: tuple[str, ...]) -> pl.Series:
    key = rows.select(names)
    if key.n_unique() == key.height:
        return pl.Series("contested", [False]).new_from_index(0, rows.height)
    is_key = key.select(pl.all_horizontal(pl.all().is_not_null())).to_series()
    return key.is_duplicated() & is_key


def _refused(rows: pl.DataFrame, keys: EventKeys) -> pl.Series:
    """Per row, in their order, the number of the key that is taken already; null for a row that stays."""
    columns = [rows[name].to_list() for name in (keys.id_column, *keys.times)]
    further = [rows.select(names).rows() for names in keys.unique]
    events: dict[object, object] = {}
    versions: set[object] = set()
    owners: list[dict[object, object]] = [{} for _ in keys.unique]
    refused: list[int | None] = []
    has_time, has_known = EVENT_TIMESTAMP in keys.times, KNOWN_AT in keys.times
    for place, (event_id, *times) in enumerate(zip(*columns, strict=True)):
        time = times[-1] if has_time else None
        version = (event_id, times[0] if has_known else None)
        taken = 0 if events.get(event_id, time) != time or version in versions else None
        values = [rows_of[place] for rows_of in further]
        for number, (value, owner) in enumerate(zip(values, owners, strict=True)):
            if taken is None and None not in value and owner.get(value, event_id) != event_id:
                taken = number + 1
        refused.append(taken)
        if taken is None:
            events[event_id] = time
            versions.add(version)
            for value, owner in zip(values, owners, strict=True):
                owner[value] = event_id
    return pl.Series(refused, dtype=pl.Int64)
