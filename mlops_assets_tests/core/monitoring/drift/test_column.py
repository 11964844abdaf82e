"""A column's parts are judged apart, each by its own history."""

import numpy as np
import polars as pl

from mlops_assets.core.monitoring.drift.column import (
    MODERATE_MOVE,
    SMALLEST_MOVE,
    History,
    MovedPart,
    _told,
    judge_column,
    learn_column,
)
from mlops_assets.core.monitoring.profile import ColumnProfile, add, profile_column


def _profile(seed: int, *, rows: int = 2000, missing: float = 0.0) -> ColumnProfile:
    rng = np.random.default_rng(seed)
    values = np.where(rng.random(rows) < 0.9, 0.0, rng.lognormal(0, 1, rows))
    return profile_column(pl.Series(np.where(rng.random(rows) < missing, np.nan, values)))


def test_a_part_has_three_answers() -> None:
    assert MovedPart("values", 0.2, 0.05, 0.1).verdict == "drift"
    assert MovedPart("values", 0.05, 0.05, 0.1).verdict == "stable"
    assert MovedPart("values", 0.2, 0.2, MODERATE_MOVE + 0.1).verdict == "inconclusive"
    assert MovedPart("values", 0.2, None, None).verdict == "inconclusive"


def test_a_mostly_constant_column_has_three_parts_and_the_one_that_moved_decides() -> None:
    windows = tuple(_profile(seed) for seed in range(12))
    learned = learn_column(History(windows, add(windows[-5:]), 5), column="amount", role="feature")
    assert [part.part for part in learned.parts] == ["missing", "values", "rest"]
    still = judge_column(learned, _profile(99), lag=0, chance=0.001)
    assert still.verdict == "stable"
    assert {part.part for part in still.parts} == {"missing", "values", "rest"}
    gone = judge_column(learned, _profile(99, missing=0.3), lag=0, chance=0.001)
    assert (gone.verdict, gone.parts[0].part) == ("drift", "missing")
    assert gone.limit is not None and gone.limit >= SMALLEST_MOVE["missing"]
    assert gone.psi is not None and gone.mean_current is not None


def test_a_limit_that_no_move_can_reach_is_no_number() -> None:
    windows = tuple(_profile(seed) for seed in range(12))
    learned = learn_column(History(windows, add(windows[-5:]), 5), column="amount", role="feature")
    verdict, reason = _told((MovedPart("values", 0.5, 0.4, 14.3),), learned, _profile(99))
    assert verdict == "inconclusive"
    assert reason == (
        "50.0% of the rows moved to other values: 40.0% is usual, and a history this short sets no limit, so that a "
        "moderate shift would not show"
    )
