"""How a run's days are cut into what is held in memory at once."""

from collections.abc import Mapping
from datetime import date, timedelta

import dagster as dg
import pytest

from mlops_assets.assets.support import day_blocks as module
from mlops_assets.assets.support.day_blocks import BLOCK_DAYS, day_blocks
from mlops_assets.automation.run_tags import day_range_tags
from mlops_assets.core.lakehouse.day_range import DayRange

FIRST = date(2018, 4, 1)


def blocks_of(days: int, rows: Mapping[date, int] | None = None) -> list[DayRange | None]:
    """Cut a run over the first `days` days, inside of a real asset."""
    found: list[DayRange | None] = []
    end = FIRST + timedelta(days=days)

    @dg.asset(
        partitions_def=dg.DailyPartitionsDefinition(start_date=FIRST.isoformat(), end_date=end.isoformat()),
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def noun(context: dg.AssetExecutionContext) -> None:
        found.extend(day_blocks(context, "event_date", None, rows=rows))

    tags = day_range_tags(FIRST, end - timedelta(days=1))
    assert dg.materialize([noun], tags=tags).success
    return found


def lengths(blocks: list[DayRange | None]) -> list[int]:
    return [(block.end - block.first).days for block in blocks if block is not None]


def rows_a_day(rows: int, *, days: int) -> dict[date, int]:
    return {FIRST + timedelta(days=day): rows for day in range(days)}


def test_a_long_range_is_cut_by_days() -> None:
    blocks = blocks_of(70)
    assert lengths(blocks) == [BLOCK_DAYS, BLOCK_DAYS, 70 - 2 * BLOCK_DAYS]
    assert blocks[0] is not None
    assert blocks[0].first == FIRST


def test_days_of_few_rows_are_held_together_up_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK_ROWS", 500)
    assert lengths(blocks_of(70, rows_a_day(10, days=70))) == [50, 20]


def test_days_of_many_rows_are_held_by_the_month_as_ever() -> None:
    assert lengths(blocks_of(70, rows_a_day(10**6, days=70))) == lengths(blocks_of(70))


def test_a_day_without_rows_ends_no_block() -> None:
    rows = rows_a_day(1, days=70) | {FIRST + timedelta(days=40): 0}
    del rows[FIRST + timedelta(days=50)]
    assert lengths(blocks_of(70, rows)) == [70]
