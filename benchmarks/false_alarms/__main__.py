"""False alarms of drift in stationary product-quarters, and what of planted shifts is found.

`python -m benchmarks.false_alarms [--quarters 200] [--evidently 20] [--processes 2] [--seed 0]`. A product-quarter has
22 weeks of history and a quarter that is looked at every day, a window of seven days each. Three of four have customers
of unequal activity, a weekly season and entities that change slowly; each fourth is the fraud product's own simulator
with its own features. Nothing happens in any: every alarm is false. An alarm that goes on for days counts once. The old
limit (`old_limit`) sees the same windows; Evidently's preset, as it comes, the 13 that do not overlap, of the first
`--evidently` quarters. Then a shift of each size is planted into the first window, column by column.

Last line: one JSON object with `quarters`; `stated_rate`, the false alarms a quarter that are promised for drift of
columns, and `stated_rate_of_all_verdicts`; `rate` with its exact 95 % Poisson interval (`rate_low`, `rate_high`);
`old_rate`; `evidently_rate`, windows a quarter in which half of the columns drift, and `evidently_rate_any_column`; the
power at small, moderate and large shifts, 0.25, 0.5 and 1 standard deviations: the share that is found in one window;
`power_moderate_slow`, of the columns of slow entities alone, which are in the others too, and
`power_moderate_by_column`; `joint_stated_rate`, `joint_rate` and its interval for pairs of columns,
`joint_power_small`, `_moderate` and `_large` for a correlation of one pair that changes by 0.2, 0.3 and 0.5 while both
columns stay as they are; `seconds_per_quarter` by world, and `seconds`.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
import polars as pl
from rich.console import Console
from rich.progress import track

from benchmarks.false_alarms import joint, old_limit
from benchmarks.false_alarms.worlds import (
    HISTORY_WEEKS,
    PROMISE,
    REFERENCE_WEEKS,
    UNSHIFTED,
    WEEK,
    Day,
    World,
)
from benchmarks.result import print_json, print_table
from mlops_assets.core.monitoring.drift.column import History, LearnedColumn, judge_column, learn_column
from mlops_assets.core.monitoring.profile import ColumnProfile, add
from mlops_assets.core.monitoring.promise import (
    DRIFT_SHARE,
    JOINT_DRIFT_SHARE,
    QUARTER_DAYS,
    chance_of_column,
)

SHIFTS = {"small": 0.25, "moderate": 0.5, "large": 1.0}
SLOW = ("of_slow_entities", "of_moods")


@dataclass(frozen=True)
class Quarter:
    """What one product-quarter showed."""

    kind: str
    alarms: int
    old_alarms: int
    evidently_windows: int | None
    evidently_any: int | None
    alarmed_columns: tuple[str, ...]
    found: Mapping[tuple[str, str], bool]
    """Whether a shift was found, by column and size."""
    joint_alarms: int
    joint_found: Mapping[tuple[str, str], bool]
    """Whether a pair's change was found, by pair and size."""
    seconds: float


def play(world: World, *, with_evidently: bool) -> Quarter:
    """Look at a quarter of a world day by day, and plant shifts into its first window."""
    began = time.monotonic()
    days = world.days(HISTORY_WEEKS * WEEK + QUARTER_DAYS)
    names = list(days[0])
    chance = chance_of_column(per_quarter=PROMISE, columns=len(names))
    is_alarm, old_columns = np.zeros(QUARTER_DAYS, bool), np.zeros(QUARTER_DAYS)
    alarmed, found = [], {}
    for name in names:
        is_category = name in world.categories
        profiles = [old_limit.profiled(day[name], is_category=is_category) for day in days]
        learned = _learned(name, profiles, is_category=is_category)
        drifted, old = _looks(learned, profiles, chance=chance)
        is_alarm |= drifted
        old_columns += old
        if drifted.any():
            alarmed.append(name)
        if world.kind == "entities" and name not in UNSHIFTED:
            for size, deviations in SHIFTS.items():
                shifted = old_limit.profiled(_shifted(days, name, deviations), is_category=False)
                verdict = judge_column(learned, shifted, lag=0.0, chance=chance).verdict
                found[name, size] = verdict == "drift"
    seen = _evidently(days, world) if with_evidently else (None, None)
    together = joint.play(days, [name for name in names if name not in {*world.categories, "score"}])
    return Quarter(
        kind=world.kind,
        alarms=_episodes(is_alarm),
        old_alarms=_episodes(old_columns > old_limit.SHARE * len(names)),
        evidently_windows=seen[0],
        evidently_any=seen[1],
        alarmed_columns=tuple(alarmed),
        found=found,
        joint_alarms=_episodes(together.is_alarm),
        joint_found=together.found,
        seconds=time.monotonic() - began,
    )


def _learned(name: str, profiles: Sequence[ColumnProfile], *, is_category: bool) -> LearnedColumn:
    weeks = tuple(add(profiles[week * WEEK : (week + 1) * WEEK]) for week in range(HISTORY_WEEKS))
    history = History(weeks, add(weeks[-REFERENCE_WEEKS:]), REFERENCE_WEEKS)
    return learn_column(history, column=name, role="feature", is_category=is_category)


def _looks(
    learned: LearnedColumn, profiles: Sequence[ColumnProfile], *, chance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Say for each day of the quarter whether its window drifted, by our limit and by the old one."""
    ours, old = [], []
    for day in range(QUARTER_DAYS):
        end = HISTORY_WEEKS * WEEK + day + 1
        window = add(profiles[end - WEEK : end])
        lag = max(0.0, (day + 1 - WEEK) / WEEK)
        ours.append(judge_column(learned, window, lag=lag, chance=chance).verdict == "drift")
        index = old_limit.index(learned.reference, window, is_category=learned.is_category)
        old.append(index > old_limit.LIMIT)
    return np.array(ours), np.array(old)


def _shifted(days: Sequence[Day], name: str, deviations: float) -> np.ndarray:
    """Shift a column of the first window by so many standard deviations, on the scale on which it varies."""
    first = HISTORY_WEEKS * WEEK
    values = np.concatenate([day[name] for day in days[first : first + WEEK]])
    past = np.concatenate([day[name] for day in days[:first]])
    if name == "amount":
        return values * np.exp(deviations * np.log(past).std())
    if name == "mostly_zero":
        return np.where(values > 0, values * np.exp(deviations * np.log(past[past > 0]).std()), values)
    if name == "score":
        shift = deviations * np.log(past / (1 - past)).std()
        return 1 / (1 + np.exp(-(np.log(values / (1 - values)) + shift)))
    if name == "count":
        return values + np.random.default_rng(0).poisson(deviations * past.std(), len(values))
    return values + deviations * np.nanstd(past)


def _evidently(days: Sequence[Day], world: World) -> tuple[int, int]:
    """Count the windows in which half of the columns, and in which any, drift by Evidently's preset; none overlap."""

    def frame(part: Sequence[Day]) -> pl.DataFrame:
        return pl.DataFrame({name: np.concatenate([day[name] for day in part]) for name in days[0]})

    first = HISTORY_WEEKS * WEEK
    reference = frame(days[first - REFERENCE_WEEKS * WEEK : first])
    half = some = 0
    for start in range(first, first + QUARTER_DAYS, WEEK):
        drifted, columns = old_limit.evidently_drifted(
            reference, frame(days[start : start + WEEK]), world.categories
        )
        half += drifted >= 0.5 * columns
        some += drifted > 0
    return half, some


def _episodes(is_alarm: np.ndarray) -> int:
    return int((np.diff(np.r_[0, is_alarm.astype(int)]) == 1).sum())


def _poisson_interval(alarms: int, quarters: int) -> tuple[float, float]:
    """Exact 95 % interval of a rate (Garwood 1936, Biometrika 28)."""
    from scipy.stats import chi2

    low = float(chi2.ppf(0.025, 2 * alarms)) / 2 if alarms else 0.0
    return low / quarters, float(chi2.ppf(0.975, 2 * alarms + 2)) / 2 / quarters


def worlds_of(quarters: int, seed: int) -> list[World]:
    """Make the worlds: each fourth is the fraud simulator, the others vary in size."""
    sizes = (100, 400, 1_500)
    return [
        World("fraud", seed + number, 600)
        if number % 4 == 3
        else World("entities", seed + number, sizes[number % 3])
        for number in range(quarters)
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Play all quarters and print what they showed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quarters", type=int, default=200)
    parser.add_argument("--evidently", type=int, default=20, help="quarters that Evidently sees too")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    began = time.monotonic()
    worlds = worlds_of(options.quarters, options.seed)
    with ProcessPoolExecutor(options.processes) as pool:
        futures = [
            pool.submit(play, world, with_evidently=number < options.evidently)
            for number, world in enumerate(worlds)
        ]
        quarters = [future.result() for future in track(futures, "quarters", console=Console(stderr=True))]
    result = summary(quarters)
    rows = [
        [
            kind,
            len(part),
            sum(q.alarms for q in part) / len(part),
            sum(q.joint_alarms for q in part) / len(part),
            sum(q.old_alarms for q in part) / len(part),
        ]
        for kind in ("entities", "fraud")
        if (part := [quarter for quarter in quarters if quarter.kind == kind])
    ]
    print_table(
        "False alarms a quarter",
        ["world", "quarters", "columns", "pairs of columns", "index above 0.2"],
        rows,
    )
    columns = sorted({name for quarter in quarters for name, _ in quarter.found})
    power = [[name, *(_power(quarters, size, (name,)) for size in SHIFTS)] for name in columns]
    print_table("Share of planted shifts found in one window", ["column", *SHIFTS], power)
    blamed = [name for quarter in quarters for name in quarter.alarmed_columns]
    if blamed:
        print_table(
            "Columns that alarmed",
            ["column", "quarters"],
            [[n, blamed.count(n)] for n in sorted(set(blamed))],
        )
    print_json({**result, "seconds": round(time.monotonic() - began)})


def summary(quarters: Sequence[Quarter]) -> dict[str, object]:
    """Return the figures of the last line."""
    number, alarms = len(quarters), sum(quarter.alarms for quarter in quarters)
    low, high = _poisson_interval(alarms, number)
    joint_alarms = sum(quarter.joint_alarms for quarter in quarters)
    joint_low, joint_high = _poisson_interval(joint_alarms, number)
    seen = [quarter for quarter in quarters if quarter.evidently_windows is not None]
    return {
        "quarters": number,
        "stated_rate": PROMISE * DRIFT_SHARE,
        "stated_rate_of_all_verdicts": PROMISE,
        "rate": alarms / number,
        "rate_low": low,
        "rate_high": high,
        "old_rate": sum(quarter.old_alarms for quarter in quarters) / number,
        "evidently_rate": _mean([quarter.evidently_windows for quarter in seen]),
        "evidently_rate_any_column": _mean([quarter.evidently_any for quarter in seen]),
        **{f"power_{size}": _power(quarters, size, None) for size in SHIFTS},
        "power_moderate_slow": _power(quarters, "moderate", SLOW),
        "power_moderate_by_column": {
            name: _power(quarters, "moderate", (name,))
            for name in sorted({name for quarter in quarters for name, _ in quarter.found})
        },
        "joint_stated_rate": PROMISE * JOINT_DRIFT_SHARE,
        "joint_rate": joint_alarms / number,
        "joint_rate_low": joint_low,
        "joint_rate_high": joint_high,
        **{f"joint_power_{size}": _joint_power(quarters, size) for size in joint.CHANGES},
        "seconds_per_quarter": _seconds(quarters),
    }


def _mean(values: Sequence[int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _joint_power(quarters: Sequence[Quarter], size: str) -> float | None:
    hits = [hit for q in quarters for (_, planted), hit in q.joint_found.items() if planted == size]
    return sum(hits) / len(hits) if hits else None


def _seconds(quarters: Sequence[Quarter]) -> dict[str, float]:
    kinds = sorted({quarter.kind for quarter in quarters})
    return {
        kind: round(float(np.mean([quarter.seconds for quarter in quarters if quarter.kind == kind])), 1)
        for kind in kinds
    }


def _power(quarters: Sequence[Quarter], size: str, columns: Sequence[str] | None) -> float | None:
    hits = [
        hit
        for quarter in quarters
        for (name, planted), hit in quarter.found.items()
        if planted == size and (columns is None or name in columns)
    ]
    return sum(hits) / len(hits) if hits else None


if __name__ == "__main__":
    main()
