"""A process that writes generation after generation until it is killed; test_tables_kill.py starts it.

Each generation goes to three tables: `days` (a replaced range between two days that stay), `whole`
(overwritten) and `log` (appended to). Every row carries its generation, so that a mix would show. A line
on standard output tells when the process is ready, and after each generation.
"""

import sys
from datetime import date, timedelta
from itertools import count

import polars as pl

from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import CommitInfo

DAYS = 6
ROWS = 600
FIRST = date(2018, 4, 1)
REPLACED = DayRange(FIRST + timedelta(days=1), FIRST + timedelta(days=DAYS - 1))


def generation_rows(generation: int, first: int = 0, end: int = DAYS) -> pl.DataFrame:
    """ROWS rows for each day number in [first, end)."""
    frame = pl.DataFrame({"number": pl.int_range(first * ROWS, end * ROWS, eager=True)})
    day = pl.lit(FIRST) + pl.duration(days=pl.col("number") // ROWS)
    return frame.select(pl.lit(generation).alias("generation"), day.alias("event_date"))


def write_generation(tables: DeltaTables, generation: int) -> None:
    """Write one generation to the three tables."""
    commit = CommitInfo(run_id=str(generation), code_version="1")
    tables.write("shop", "days", generation_rows(generation, 1, DAYS - 1), days=REPLACED, commit=commit)
    tables.write("shop", "whole", generation_rows(generation), days=None, commit=commit)
    tables.append("shop", "log", generation_rows(generation, 0, 1), commit=commit)


def say(line: str) -> None:
    """Tell the parent process."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    say("ready")
    for number in count(int(sys.argv[2])):
        write_generation(DeltaTables(sys.argv[1]), number)
        say("written")
