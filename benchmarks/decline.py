"""A frozen model whose quality declines slowly, abruptly or not at all: what is found, when, and what is found falsely.

    make peers-nannyml (its data sets), then:
    python -m benchmarks.decline [--streams N] [--weeks N] [--simulated-only]

Simulated: an AUC of .80 on 20,000 test rows, then weeks of 3,000 rows in groups of five that are alike; it falls by
.03, .05 or .08 within half a year, or at once after a quarter, or stays. Real: New York's flights of 2013 and
employment in Massachusetts, as they came, and with reference and stream shuffled together, so that nothing can decline.

A decline is found in the first week in which the evidence of all weeks so far suffices (`decline_evidence`) or the week
alone lies beyond the limit. Beside it the old rule: the week alone, whose whole interval must lie .05 below the test
value. `declines_found` and `median_windows_to_find` are of simulated declines of .03 and more, weeks counted from its
beginning; `false_findings` are per quarter of streams without decline, `promised` is what they may be.
"""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from rich.progress import track
from scipy.special import ndtr, ndtri

from benchmarks.estimated_performance.worlds import World, employment, flights
from benchmarks.result import print_json, print_table
from mlops_assets.core.evaluation.metrics import METRICS
from mlops_assets.core.monitoring.decline.evidence import decline_evidence
from mlops_assets.core.monitoring.decline.quality_blocks import QualityBlock, quality_blocks
from mlops_assets.core.monitoring.promise import DECLINE_SHARE
from mlops_assets.core.product_spec import Evaluation, Monitoring

AUC, BASE_RATE, TEST_ROWS, WEEK_ROWS, GROUP_ROWS = 0.80, 0.1, 20_000, 3_000, 5
DROP = Monitoring().performance_drop
PROMISE = 1.0
FIRST = date(2024, 1, 1)
SHAPES = {
    "none": (0.0, 0, 1),
    "slow, .03": (0.03, 0, 26),
    "slow, .05": (0.05, 0, 26),
    "slow, .08": (0.08, 0, 26),
    "abrupt, .03": (0.03, 13, 1),
    "abrupt, .05": (0.05, 13, 1),
    "abrupt, .08": (0.08, 13, 1),
}
"""By how much AUC falls, from which week on, and over how many weeks."""


@dataclass(frozen=True)
class Stream:
    """The champion's test value, and the weeks after it."""

    test: QualityBlock
    weeks: tuple[QualityBlock, ...]


@dataclass(frozen=True)
class Found:
    """In which week, from 1, a decline was found; None where in none."""

    now: int | None
    old: int | None


def main() -> None:
    """Run the benchmark and print its tables and its one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", type=int, default=20, help="simulated streams of each shape")
    parser.add_argument("--weeks", type=int, default=52, help="weeks of each simulated stream")
    parser.add_argument("--simulated-only", action="store_true", help="leave out the real streams")
    options = parser.parse_args()
    found = {
        shape: [
            judge(simulate(shape, weeks=options.weeks, seed=seed), metric="auc")
            for seed in track(range(options.streams), description=shape)
        ]
        for shape in SHAPES
    }
    real = [] if options.simulated_only else _real()
    _report(found, real, weeks=options.weeks)


def simulate(shape: str, *, weeks: int, seed: int) -> Stream:
    """Draw test rows and weeks of a stream whose AUC follows the shape."""
    generator = np.random.default_rng([seed, list(SHAPES).index(shape)])
    fall, begins, lasts = SHAPES[shape]
    levels = [AUC - fall * float(np.clip((week + 1 - begins) / lasts, 0, 1)) for week in range(weeks)]
    test = _block(_rows(AUC, TEST_ROWS, generator, known_date=FIRST), is_grouped=True)
    days = [FIRST + timedelta(weeks=week + 1) for week in range(weeks)]
    rows = [
        _rows(level, WEEK_ROWS, generator, known_date=day) for level, day in zip(levels, days, strict=True)
    ]
    return Stream(test, _blocks(pl.concat(rows), is_grouped=True))


def judge(stream: Stream, *, metric: str) -> Found:
    """Look at the stream after each of its weeks."""
    sign, test = METRICS[metric].direction, stream.test
    beyond = [
        sign * (block.value - test.value) + 1.96 * block.variance**0.5 < -DROP for block in stream.weeks
    ]
    old = next((number for number, is_beyond in enumerate(beyond, 1) if is_beyond), None)
    for number in range(1, len(stream.weeks) + 1):
        evidence = decline_evidence(
            stream.weeks[:number], metric=metric, test_value=test.value,
            worse_end=test.value - sign * 1.96 * test.variance**0.5, allowed_drop=DROP,
            false_alarms_per_quarter=PROMISE,
        )  # fmt: skip
        if evidence.is_found or beyond[number - 1]:
            return Found(number, old)
    return Found(None, old)


def _rows(auc: float, rows: int, generator: np.random.Generator, *, known_date: date) -> pl.DataFrame:
    """Binormal scores: AUC is Φ(distance of the classes / √2)."""
    labels = (generator.random(rows) < BASE_RATE).astype(np.int8)
    groups = np.arange(rows) // GROUP_ROWS
    noise = np.sqrt(0.2) * generator.normal(size=rows)[groups] + np.sqrt(0.8) * generator.normal(size=rows)
    scores = ndtr(labels * np.sqrt(2) * ndtri(auc) + noise)
    return pl.DataFrame({"label": labels, "score": scores, "group": groups, "known_date": known_date})


def _blocks(rows: pl.DataFrame, *, is_grouped: bool) -> tuple[QualityBlock, ...]:
    evaluation = Evaluation(group_column="group" if is_grouped else None)
    return quality_blocks(
        rows, label="label", score="score", evaluation=evaluation, monitoring=Monitoring(), seed=0
    )


def _block(rows: pl.DataFrame, *, is_grouped: bool) -> QualityBlock:
    return _blocks(rows.with_columns(known_date=FIRST), is_grouped=is_grouped)[0]


def _real() -> list[tuple[str, Stream, Found]]:
    from benchmarks.estimated_performance.__main__ import write_peer_data

    with TemporaryDirectory() as name:
        write_peer_data(Path(name))
        worlds = [flights(Path(name), every=1), employment(Path(name), every=1)]
    streams = [(world.name, _as_it_came(world)) for world in worlds]
    streams += [
        (f"{world.name}, shuffled", _shuffled(world, seed=seed)) for world in worlds for seed in range(5)
    ]
    return [(name, stream, judge(stream, metric="auc")) for name, stream in streams]


def _as_it_came(world: World) -> Stream:
    columns = ("label", "score", "group")
    weeks = [
        window.rows.select(*columns, known_date=pl.lit(FIRST + timedelta(weeks=number + 1)))
        for number, window in enumerate(world.windows)
    ]
    return Stream(
        _block(world.reference.select(columns), is_grouped=world.is_grouped),
        _blocks(pl.concat(weeks), is_grouped=world.is_grouped),
    )


def _shuffled(world: World, *, seed: int) -> Stream:
    """Whole groups of reference and stream change places, so that no week is worse than another in truth."""
    rows = pl.concat([world.reference, *(w.rows for w in world.windows)], how="diagonal_relaxed")
    order = np.random.default_rng(seed).permutation(rows["group"].unique().sort().to_numpy())
    rank = pl.DataFrame({"group": order, "rank": np.arange(len(order))})
    rows = rows.select("label", "score", "group").join(rank, on="group").sort("rank", maintain_order=True)
    test, stream = rows[: world.reference.height], rows[world.reference.height :]
    size = stream.height // len(world.windows)
    week = pl.int_range(pl.len()) // size
    stream = stream.with_columns(known_date=pl.lit(FIRST) + pl.duration(weeks=week + 1))
    return Stream(_block(test, is_grouped=world.is_grouped), _blocks(stream, is_grouped=world.is_grouped))


def _report(found: dict[str, list[Found]], real: Sequence[tuple[str, Stream, Found]], *, weeks: int) -> None:
    rows = [
        [
            shape, _share(one.now for one in every), _median(_delays(shape, [one.now for one in every])),
            _share(one.old for one in every), _median(_delays(shape, [one.old for one in every])),
        ]
        for shape, every in found.items()
    ]  # fmt: skip
    print_table("Simulated", ["shape", "found", "weeks to find", "old: found", "old: weeks"], rows)
    if real:
        table = [
            [name, s.test.value, float(np.mean([b.value for b in s.weeks])), len(s.weeks), f.now, f.old]
            for name, s, f in real
        ]
        print_table("Real: AUC", ["stream", "test", "mean of weeks", "weeks", "found", "old"], table)
    declined = {shape: every for shape, every in found.items() if shape != "none"}
    delays = [delay for shape, every in declined.items() for delay in _delays(shape, [e.now for e in every])]
    shuffled = [f for name, _, f in real if name.endswith("shuffled")]
    quarters = len(found["none"]) * weeks * 7 / 91.3
    print_json(
        {
            "declines_found": _share(one.now for every in declined.values() for one in every),
            "declines_found_of_03": _share(
                e.now for s, v in declined.items() if s.endswith(".03") for e in v
            ),
            "median_windows_to_find": _median(delays),
            "false_findings": sum(one.now is not None for one in found["none"]) / quarters,
            "promised": DECLINE_SHARE * PROMISE,
            "old_declines_found": _share(one.old for every in declined.values() for one in every),
            "old_false_findings": sum(one.old is not None for one in found["none"]) / quarters,
            "found_before_it_began": sum(d <= 0 for d in delays),
            "false_findings_shuffled": [sum(f.now is not None for f in shuffled), len(shuffled)],
            "streams": sum(len(every) for every in found.values()),
        }
    )


def _share(weeks: Iterable[int | None]) -> float:
    return round(float(np.mean([week is not None for week in weeks])), 4)


def _delays(shape: str, weeks: Sequence[int | None]) -> list[int]:
    return [week - SHAPES[shape][1] for week in weeks if week is not None]


def _median(delays: Sequence[int]) -> float | None:
    return float(np.median(delays)) if delays else None


if __name__ == "__main__":
    main()
