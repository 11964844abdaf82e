"""What a window of drift costs: a million rows of fifteen columns, and from stored profiles, beside Evidently.

`python -m benchmarks.drift_cost [--rows 1000000] [--repeats 3]`. Twelve windows of history lie in a table of profiles,
as production stores them. Cold: the window's rows are profiled, written to the table and judged, all columns together.
Warm: the judge answers from profiles that are in memory, history learned; `warm_read_milliseconds` reads them from the
Delta table first. Evidently's preset sees all rows of the window and of a reference as large. Shifts of stated sizes
are planted into six of the columns: none, 0.1, 0.3, 0.5, 1 and 2 standard deviations, and more missing values into two.

Last line: one JSON object with `speedup_vs_evidently` (median of paired ratios, with `spread`), `cold_milliseconds`,
`evidently_milliseconds`, `warm_milliseconds`, `warm_read_milliseconds`, and `agreement`: share of the columns on which
our verdict is what was planted, where a shift of at least 0.3 standard deviations, or 5 % more missing values, is
drift; `evidently_agreement` says the same of Evidently's.
"""

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from rich.console import Console
from rich.progress import track

from benchmarks.result import print_json, print_table, ratio_with_spread
from mlops_assets.core.lakehouse.day_range import DayRange
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import CommitInfo
from mlops_assets.core.monitoring.drift.column import History, LearnedColumn
from mlops_assets.core.monitoring.drift.report import DriftReport, judge_window, learn_columns
from mlops_assets.core.monitoring.profile import ColumnProfile, add, profile_days, profiles_by_day
from mlops_assets.core.monitoring.promise import chance_of_column

COLUMNS = 15
WINDOWS = 12
FIRST = date(2026, 1, 1)
TODAY = FIRST + timedelta(days=WINDOWS)
SHIFTS: Mapping[int, float] = {0: 0.1, 1: 0.3, 2: 0.5, 3: 1.0, 4: 2.0, 5: 0.0}
MISSING: Mapping[int, float] = {6: 0.1, 7: 0.5}
NAMES = [f"c{number}" for number in range(COLUMNS)]
LEAST_SHIFT = 0.3
COMMIT = CommitInfo(run_id="benchmark", code_version="1")


def rows(number: int, *, seed: int, day: date, is_shifted: bool = False) -> pl.DataFrame:
    """Make rows: numbers of several shapes, whole numbers, a mostly constant column."""
    rng = np.random.default_rng(seed)
    made: dict[str, object] = {}
    for place, name in enumerate(NAMES):
        shift = SHIFTS.get(place, 0.0) if is_shifted else 0.0
        normal = rng.standard_normal(number) + shift
        values = {0: normal, 1: np.exp(normal), 2: 1 / (1 + np.exp(-normal))}[place % 3]
        if place == COLUMNS - 1:
            values = np.where(rng.random(number) < 0.9, 0.0, values)
        if place == COLUMNS - 2:
            values = rng.integers(0, 50, number).astype(np.float64)
        missing = MISSING.get(place, 0.0) if is_shifted else 0.0
        made[name] = np.where(rng.random(number) < missing, np.nan, values) if missing else values
    return pl.DataFrame(made).with_columns(event_date=pl.lit(day))


def profiled(frame: pl.DataFrame) -> pl.DataFrame:
    """Profile the days of a frame."""
    roles = {name: "score" if name == NAMES[-1] else "feature" for name in NAMES}
    return profile_days(frame, day="event_date", columns=roles, made_by="benchmark")


def read_profiles(tables: DeltaTables, days: DayRange) -> dict[str, ColumnProfile]:
    """Read a window's profiles from the table and add them up."""
    stored = tables.read("benchmark", "profiles", days=days)
    return {name: add(list(profiles_by_day(stored, name).values())) for name in NAMES}


def judged(learned: Sequence[LearnedColumn], window: Mapping[str, ColumnProfile]) -> DriftReport:
    """Judge a window as production does."""
    chance = chance_of_column(per_quarter=1.0, columns=COLUMNS)
    return judge_window(learned, window, lag=1.0, chance=chance, minimum_rows=50)


def evidently(reference: pl.DataFrame, current: pl.DataFrame) -> dict[str, bool]:
    """Say by Evidently's default preset whether each column drifted."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    definition = DataDefinition(numerical_columns=NAMES)
    shown, compared = (
        Dataset.from_pandas(frame.select(NAMES).to_pandas(), data_definition=definition)
        for frame in (current, reference)
    )
    found = Report([DataDriftPreset()], include_tests=True).run(shown, compared).dict()
    return {
        test["metric_config"]["params"]["column"]: test["status"] == "FAIL"
        for test in found["tests"]
        if "column" in test["metric_config"]["params"]
    }


def seconds_of(work: Callable[[], object]) -> float:
    """Time one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def learned_from_history(tables: DeltaTables, *, window_rows: int) -> Sequence[LearnedColumn]:
    """Store the profiles of twelve windows without a shift, and learn from them as production does."""
    history = [
        profiled(rows(window_rows, seed=number, day=FIRST + timedelta(days=number)))
        for number in range(WINDOWS)
    ]
    days = DayRange(FIRST, TODAY)
    tables.write("benchmark", "profiles", pl.concat(history), days=days, commit=COMMIT)
    stored = tables.read("benchmark", "profiles", days=days)
    windows = {name: tuple(profiles_by_day(stored, name).values()) for name in NAMES}
    histories = {name: History(every, add(every[-6:]), 6) for name, every in windows.items()}
    return learn_columns(histories, score=NAMES[-1])


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure both sides in turns and print the ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args(arguments)
    planted = {
        name: SHIFTS.get(place, 0.0) >= LEAST_SHIFT or place in MISSING for place, name in enumerate(NAMES)
    }
    with TemporaryDirectory(prefix="drift-cost-") as folder:
        tables = DeltaTables((Path(folder) / "tables").as_uri())
        learned = learned_from_history(tables, window_rows=options.rows // 4)
        today = DayRange(TODAY, TODAY + timedelta(days=1))
        current = rows(options.rows, seed=99, day=TODAY, is_shifted=True)
        reference = rows(options.rows, seed=98, day=FIRST)

        def cold() -> None:
            tables.write("benchmark", "profiles", profiled(current), days=today, commit=COMMIT)
            judged(learned, read_profiles(tables, today))

        ours, theirs, verdicts = [], [], {}
        for _ in track(range(options.repeats), "pairs", console=Console(stderr=True)):
            ours.append(seconds_of(cold))
            theirs.append(seconds_of(lambda: verdicts.update(evidently(reference, current))))
        window = read_profiles(tables, today)
        warm = median(seconds_of(lambda: judged(learned, window)) for _ in range(50))
        warm_read = median(
            seconds_of(lambda: judged(learned, read_profiles(tables, today))) for _ in range(20)
        )
        report = judged(learned, window)
    ratio, spread = ratio_with_spread(theirs, ours)
    found = {column.column: column.verdict == "drift" for column in report.columns}
    table = [
        [name, SHIFTS.get(place, 0.0), MISSING.get(place, 0.0), found[name], verdicts.get(name)]
        for place, name in enumerate(NAMES)
    ]
    print_table("Columns", ["column", "shift, SD", "missing", "ours: drift", "Evidently: drift"], table)
    print_json(
        {
            "rows": options.rows,
            "speedup_vs_evidently": ratio,
            "spread": {"speedup_vs_evidently": spread},
            "cold_milliseconds": 1000 * median(ours),
            "evidently_milliseconds": 1000 * median(theirs),
            "warm_milliseconds": 1000 * warm,
            "warm_read_milliseconds": 1000 * warm_read,
            "agreement": sum(found[name] == planted[name] for name in NAMES) / COLUMNS,
            "evidently_agreement": sum(verdicts.get(name) == planted[name] for name in NAMES) / COLUMNS,
        }
    )


if __name__ == "__main__":
    main()
