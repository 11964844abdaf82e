"""Pairs of columns in a product-quarter: false alarms, and what of a planted change of one pair is found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.false_alarms.worlds import HISTORY_WEEKS, PROMISE, REFERENCE_WEEKS, WEEK, Day, Floats
from mlops_assets.core.monitoring.joint.dependence import normal_scores, pair_sums
from mlops_assets.core.monitoring.joint.stored import MOST_COLUMNS
from mlops_assets.core.monitoring.joint.verdict import LearnedPairs, judge_pairs, learn_pairs
from mlops_assets.core.monitoring.promise import JOINT_DRIFT_SHARE, QUARTER_DAYS, chance_of_column

CHANGES = {"small": 0.2, "moderate": 0.3, "large": 0.5}
PLANTED = (("independent", "weekly"), ("of_customers", "amount"), ("of_slow_entities", "of_moods"))
"""Pairs that do not go together; where a world lacks one, nothing is planted."""


@dataclass(frozen=True)
class Together:
    """What pairs of columns showed."""

    is_alarm: npt.NDArray[np.bool_]
    """By day of the quarter."""
    found: Mapping[tuple[str, str], bool]
    """Whether a change was found, by pair and size."""


def play(days: Sequence[Day], names: Sequence[str]) -> Together:
    """Look at a quarter day by day, and plant changes into its first window. names: the columns to look at."""
    columns = list(names)[:MOST_COLUMNS]
    sums = [_summed(day, columns) for day in days]
    first = HISTORY_WEEKS * WEEK
    weeks = [np.sum(sums[start : start + WEEK], axis=0) for start in range(0, first, WEEK)]
    learned = learn_pairs(weeks, columns=columns, reference_windows=REFERENCE_WEEKS)
    is_alarm = [
        _alarms(
            learned, sums[first + day + 1 - WEEK : first + day + 1], lag=max(0.0, (day + 1 - WEEK) / WEEK)
        )
        for day in range(QUARTER_DAYS)
    ]
    found = {
        (" and ".join(pair), size): _alarms(
            learned,
            [_summed(_tied(day, pair, change), columns) for day in days[first : first + WEEK]],
            lag=0.0,
        )
        for pair in PLANTED
        if set(pair) <= set(columns)
        for size, change in CHANGES.items()
    }
    return Together(np.array(is_alarm), found)


def _summed(day: Day, columns: Sequence[str]) -> Floats:
    return pair_sums(np.column_stack([day[name] for name in columns]))


def _alarms(learned: LearnedPairs, window: Sequence[Floats], *, lag: float) -> bool:
    chance = chance_of_column(per_quarter=PROMISE, columns=1, share=JOINT_DRIFT_SHARE)
    found = judge_pairs(learned, np.sum(window, axis=0), lag=lag, chance=chance, minimum_rows=0)
    return found.state == "alarm"


def _tied(day: Day, pair: tuple[str, str], correlation: float) -> Day:
    """Reorder the second column's values of a day so that they go with the first's; both keep all their values."""
    first, second = (day[name] for name in pair)
    wanted = correlation * normal_scores(first) + np.sqrt(1 - correlation**2) * normal_scores(second)
    reordered = np.empty(len(second))
    reordered[np.argsort(wanted, kind="stable")] = np.sort(second)
    return {**day, pair[1]: reordered}
