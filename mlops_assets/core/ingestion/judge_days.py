"""Which raw rows of some days become events, told apart from all other stored days whatever was ingested first.

Whether a row repeats another is a question about all sound rows together (`core/contracts/event_identity.py`), so that
its answer does not depend on the order of ingestion. Where the rows of these days change the answer for other days,
those are judged again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import pandera.polars as pa
import polars as pl

from mlops_assets.core.contracts.contract import (
    ContractResult,
    JudgedRows,
    event_columns,
    judge_rows,
    with_event_date,
)
from mlops_assets.core.contracts.event_identity import EventKeys, event_keys, repeated_rows
from mlops_assets.core.contracts.time_of_knowledge import KnownTimes
from mlops_assets.core.errors import TableError
from mlops_assets.core.ingestion.sound_rows import DAY, EVENTS, REJECTED, REPEATS, SoundRows
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import MAXIMUM_ATTEMPTS, CommitInfo, TableCommit

RAW = "raw_events"
RIVALS = "keys of rows of other days that share one"


@dataclass(frozen=True)
class Ingestion:
    """Whose rows are judged, and by what."""

    tables: DeltaTables
    product: str
    schema: type[pa.DataFrameModel]
    id_column: str
    commits: Callable[[Mapping[str, pl.DataFrame]], tuple[CommitInfo, CommitInfo]]
    """Of rows by name that some days were judged on: what the commits to `events` and `rejected_events` say of them."""
    known_times: KnownTimes | None = None
    """Between which times rows may have become known; None does not ask."""


@dataclass(frozen=True)
class IngestedDays:
    """Days that were judged and written."""

    days: DayRange | None
    events: pl.DataFrame
    rejected: pl.DataFrame
    summary: pl.DataFrame
    """As `ContractResult.summary`."""
    commits: tuple[TableCommit, TableCommit]
    """To `events` and to `rejected_events`."""


def ingest_days(ingestion: Ingestion, days: DayRange | None) -> list[IngestedDays]:
    """Judge the raw rows of `days` and write them to `events` and `rejected_events`; the days themselves come last.

    Before them come other days that had to be judged again, each by itself: an event of theirs gave way to an earlier
    one, or may stay since the other is gone. They are written first, so that running again makes good what a process
    that was killed in between left.

    Raises: as `apply_contract`; TableError when other writers came in between every time.
    """
    mine = _judge(ingestion, days)
    keys = event_keys(ingestion.schema, id_column=ingestion.id_column, columns=mine.rows.columns)
    if days is None:
        result = mine.divided(repeated_rows(mine.sound(), keys))
        return [_write(ingestion, None, result, {RAW: mine.rows})]
    stored = SoundRows(ingestion.tables, ingestion.product, keys)
    for _ in range(MAXIMUM_ATTEMPTS):
        before = stored.versions()
        done = [_write(ingestion, *one) for one in _settled(ingestion, stored, mine, days)]
        own = tuple(
            sum(one.commits[table].changed or one.commits[table].restated for one in done) for table in (0, 1)
        )
        if stored.versions() == (before[0] + own[0], before[1] + own[1]):
            return done
    raise TableError(
        f"{ingestion.product}/events: other runs wrote between reading and writing {MAXIMUM_ATTEMPTS} times in a row; "
        "let one run ingest at a time, then try again"
    )


def _judge(ingestion: Ingestion, days: DayRange | None) -> JudgedRows:
    raw = ingestion.tables.read(ingestion.product, RAW, days=days).drop(DAY, strict=False)
    return judge_rows(
        raw, ingestion.schema, subject=f"{ingestion.product}/events", known_times=ingestion.known_times
    )


def _settled(
    ingestion: Ingestion, stored: SoundRows, mine: JudgedRows, days: DayRange
) -> list[tuple[DayRange, ContractResult, Mapping[str, pl.DataFrame]]]:
    """These days, and before them other days of which an event gives way or comes back; each with its grounds."""
    keys, sound = stored.keys, mine.sound()
    asked = pl.concat([sound.select(keys.columns), stored.of_days(days, like=sound)])
    others = _connected(stored, asked, outside=[days])
    result, repeats = _told_apart(mine, others, keys)
    changed = others.filter(others[REPEATS].ne_missing(repeats))[DAY].unique().sort()
    again = []
    for day in changed:
        one = DayRange(day, day + timedelta(days=1))
        theirs = _judge(ingestion, one)
        rivals = _connected(stored, theirs.sound().select(keys.columns), outside=[days, one])
        rivals = pl.concat([rivals, sound.select(keys.columns)], how="diagonal")
        again.append((one, _told_apart(theirs, rivals, keys)[0], _judged_on(theirs, rivals, keys)))
    return [*again, (days, result, _judged_on(mine, others, keys))]


def _judged_on(judged: JudgedRows, rivals: pl.DataFrame, keys: EventKeys) -> dict[str, pl.DataFrame]:
    return {RAW: judged.rows, RIVALS: rivals.select(keys.columns).unique()}


def _connected(stored: SoundRows, asked: pl.DataFrame, *, outside: Sequence[DayRange]) -> pl.DataFrame:
    """Stored rows that share a key with the asked ones, or with one of those, and so on."""
    found = stored.sharing(asked, outside=outside)
    while stored.keys.unique and found.height:
        further = stored.sharing(pl.concat([asked, found.select(asked.columns)]).unique(), outside=outside)
        if further.height == found.height:
            break
        found = further
    return found


def _told_apart(
    judged: JudgedRows, others: pl.DataFrame, keys: EventKeys
) -> tuple[ContractResult, pl.Series]:
    """Divide the judged rows in the sight of others, and say what REPEATS is for each of the others."""
    sound = judged.sound()
    together = pl.concat([sound, others.drop(DAY, REPEATS, strict=False)], how="diagonal")
    failures = repeated_rows(together, keys)
    own = [one.of_first(sound.height) for one in failures]
    repeats = pl.Series(REPEATS, [None], dtype=pl.String).new_from_index(0, together.height)
    for one in failures:
        repeats = repeats.set(one.broken, one.column)
    return judged.divided(own), repeats[sound.height :]


def _write(
    ingestion: Ingestion,
    days: DayRange | None,
    result: ContractResult,
    judged_on: Mapping[str, pl.DataFrame],
) -> IngestedDays:
    events = _dated(result.accepted.select(event_columns(ingestion.schema)), days)
    rejected = _dated(result.rejected, days)
    write = ingestion.tables.write
    of_events, of_rejected = ingestion.commits(judged_on)
    commits = (
        write(ingestion.product, EVENTS, events, days=days, commit=of_events),
        write(ingestion.product, REJECTED, rejected, days=days, commit=of_rejected),
    )
    return IngestedDays(days, events, rejected, result.summary, commits)


def _dated(frame: pl.DataFrame, days: DayRange | None) -> pl.DataFrame:
    """Add the day by which the table is partitioned; a row without a time stays with the days it was read for."""
    return frame if days is None else with_event_date(frame, undated=days.first)
