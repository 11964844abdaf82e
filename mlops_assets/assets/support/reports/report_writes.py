"""The rows of a run's windows on their way to a report's table: consecutive days become one commit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import polars as pl

from mlops_assets.assets.support.day_blocks import BLOCK_DAYS
from mlops_assets.assets.support.recorded_reads import RecordedReads
from mlops_assets.assets.support.table_writes import TableWrites
from mlops_assets.core.identity.content import value_digest
from mlops_assets.core.identity.identity import Identity
from mlops_assets.core.lakehouse.day_range import DayRange


@dataclass
class ReportWrites:
    """Collects the rows of windows and writes up to `BLOCK_DAYS` days at once; leaving the context writes the rest.

    A commit costs more than most windows do. A window that fails takes none of those before it along. What a run that
    is killed has not written, the next one makes again.
    """

    writes: TableWrites
    _frames: list[pl.DataFrame] = field(default_factory=list)
    _made_from: dict[str, Identity] = field(default_factory=dict)
    _days: DayRange | None = None

    def __enter__(self) -> Self:
        """Begin with nothing."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is left, also where a window failed: those before it were judged, and stay."""
        if kind is None or issubclass(kind, Exception):
            self._write()

    def add(self, frame: pl.DataFrame, days: DayRange | None, *, reads: RecordedReads) -> None:
        """Take the rows of `days`, or of a table without days, made from what `reads` has recorded."""
        if days is None:
            self.writes.write_report(frame, None, made_from=reads.identity())
            return
        if self._days is not None and not self._continues(days, self._days):
            self._write()
        self._frames.append(frame)
        self._made_from[days.interval()] = reads.identity()
        self._days = days if self._days is None else DayRange(self._days.first, days.end, days.column)

    @staticmethod
    def _continues(days: DayRange, before: DayRange) -> bool:
        is_next = days.first == before.end and days.column == before.column
        return is_next and (days.end - before.first).days <= BLOCK_DAYS

    def _write(self) -> None:
        if self._days is None:
            return
        rows, days, made_from = pl.concat(self._frames), self._days, of_all_windows(self._made_from)
        self._frames, self._made_from, self._days = (
            [],
            {},
            None,
        )  # a block that cannot be written is not tried again
        self.writes.write_report(rows, days, made_from=made_from)


def of_all_windows(made_from: Mapping[str, Identity]) -> Identity:
    """Return what the rows of several windows were made from; of one window its own.

    made_from: by the window's days, of one asset in one run.
    """
    first, *others = made_from.values()
    if not others:
        return first
    declared = {name: digest for one in made_from.values() for name, digest in one.declared.items()}
    read = {f"read for {days}": value_digest(dict(one.read)) for days, one in made_from.items()}
    return Identity(first.code, first.libraries, dict(sorted(declared.items())), dict(sorted(read.items())))
