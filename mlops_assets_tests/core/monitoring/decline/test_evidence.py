"""Evidence of a decline on blocks whose course is known."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from mlops_assets.core.monitoring.decline.evidence import Evidence, decline_evidence
from mlops_assets.core.monitoring.decline.quality_blocks import QualityBlock

DEVIATION = 0.01


def _stream(
    level: Callable[[int], float], *, blocks: int, seed: int, noise: float = DEVIATION
) -> list[QualityBlock]:
    generator = np.random.default_rng(seed)
    weeks = [date(2024, 1, 1) + timedelta(days=7 * number) for number in range(blocks)]
    return [
        QualityBlock(week, week + timedelta(days=6), level(number) + noise * generator.normal(), DEVIATION**2, 100)
        for number, week in enumerate(weeks)
    ]  # fmt: skip


def _evidence(blocks: list[QualityBlock], *, metric: str = "auc", promise: float = 1.0) -> Evidence:
    sign = -1 if metric == "brier" else 1
    return decline_evidence(
        blocks, metric=metric, test_value=0.8, worse_end=0.8 - sign * 0.005, allowed_drop=0.05,
        false_alarms_per_quarter=promise,
    )  # fmt: skip


def _found_at(
    level: Callable[[int], float], *, seed: int, blocks: int = 52, noise: float = DEVIATION
) -> int | None:
    stream = _stream(level, blocks=blocks, seed=seed, noise=noise)
    return next((n for n in range(1, blocks + 1) if _evidence(stream[:n]).is_found), None)


def test_a_slow_decline_is_found_though_no_single_block_proves_it():
    found = [_found_at(lambda number: 0.8 - 0.04 * min(number / 26, 1), seed=seed) for seed in range(8)]
    assert all(at is not None for at in found)


def test_an_abrupt_decline_is_found_within_few_blocks():
    found = [
        _found_at(lambda number: 0.8 if number < 10 else 0.73, seed=seed, blocks=20) for seed in range(8)
    ]
    assert all(at is not None and 10 < at <= 14 for at in found)


def test_a_year_without_decline_is_silent():
    assert [_found_at(lambda _: 0.8, seed=seed) for seed in range(8)] == [None] * 8


def test_blocks_that_differ_twice_as_much_as_they_say_keep_the_promise():
    found = [_found_at(lambda _: 0.8, seed=seed, noise=2 * DEVIATION, blocks=26) for seed in range(100, 120)]
    assert sum(at is not None for at in found) <= 20 * 2 * 0.1


def test_a_small_decline_that_is_sure_is_not_worth_a_word():
    evidence = _evidence(_stream(lambda _: 0.785, blocks=200, seed=0))
    assert evidence.evidence > evidence.threshold
    assert not evidence.is_found


def test_the_evidence_grows_by_one_per_block_at_most_on_average_without_decline():
    ends = [_evidence(_stream(lambda _: 0.795, blocks=10, seed=seed)).evidence for seed in range(200)]
    assert np.mean(ends) < 10


def test_it_says_since_when_and_by_how_much():
    evidence = _evidence(_stream(lambda number: 0.8 if number < 10 else 0.72, blocks=16, seed=1))
    assert evidence.is_found
    assert evidence.since is not None
    assert abs((evidence.since - date(2024, 3, 11)).days) <= 7
    assert evidence.decline == pytest.approx(0.08, abs=0.015)


def test_brier_declines_upwards():
    assert _evidence(_stream(lambda _: 0.9, blocks=10, seed=0), metric="brier").is_found
    assert not _evidence(_stream(lambda _: 0.7, blocks=10, seed=0), metric="brier").is_found


def test_a_smaller_promise_asks_for_more_evidence():
    blocks = _stream(lambda _: 0.8, blocks=13, seed=0)
    assert _evidence(blocks).threshold == pytest.approx(130.4, abs=0.5)
    assert _evidence(blocks, promise=0.1).threshold == pytest.approx(1304, abs=5)


def test_without_blocks_or_an_interval_of_the_champion_nothing_is_found():
    assert not _evidence([]).is_found
    blocks = _stream(lambda _: 0.5, blocks=9, seed=0)
    nothing = decline_evidence(
        blocks, metric="auc", test_value=0.8, worse_end=None, allowed_drop=0.05, false_alarms_per_quarter=1.0
    )
    assert (nothing.is_found, nothing.evidence) == (False, 0.0)


def test_one_wild_block_alone_proves_little():
    steady = _stream(lambda _: 0.8, blocks=12, seed=0)
    wild = [*steady[:6], replace(steady[6], value=0.77), *steady[7:]]
    assert not _evidence(wild).is_found
