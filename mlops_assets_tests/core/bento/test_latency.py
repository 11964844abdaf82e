"""The verdict on a bento's latency, from the times of turns that a quiet, a busy and a drifting machine would give."""

import numpy as np
import pytest

from mlops_assets.core.bento.latency import SANITY_P99_MS, LatencyLimits, judge_latency
from mlops_assets.core.bento.load_probe import TURNS, LoadProbe

LIMITS = LatencyLimits(margin=0.5)


def probe(ours: list[float], theirs: list[float] | None = None) -> LoadProbe:
    return LoadProbe(
        requests=1000,
        requests_per_second=100.0,
        p50_ms=1.0,
        p99_ms=max(ours),
        p99_by_turn_ms=tuple(ours),
        champion_p99_by_turn_ms=tuple(theirs or ()),
        not_compared_because="" if theirs else "nothing is released yet",
    )


def busy(seed: int, factor: float = 1.0) -> list[float]:
    """The p99 of turns on a machine where other work takes what it likes."""
    return (factor * 20 * np.random.default_rng(seed).lognormal(0, 1.0, TURNS)).tolist()


def test_a_bento_like_the_champion_passes_and_one_of_twice_its_time_fails() -> None:
    champion = [20.0, 21.0, 19.0, 20.5, 22.0, 18.0, 20.0, 21.5]
    passed = judge_latency(probe([1.1 * one for one in champion], champion), LIMITS)
    assert (passed.verdict, passed.ratio) == ("pass", pytest.approx(1.1))
    failed = judge_latency(probe([2 * one for one in champion], champion), LIMITS)
    assert failed.verdict == "fail"
    assert "2.00 times the champion's (2.00 to 2.00, 1.5 is allowed)" in failed.reason


def test_one_turn_that_something_else_disturbed_changes_nothing() -> None:
    champion = [20.0] * TURNS
    assert judge_latency(probe([*champion[1:], 500.0], champion), LIMITS).verdict == "pass"
    slow = [40.0] * (TURNS - 1)
    assert judge_latency(probe([*slow, 5.0], champion), LIMITS).verdict == "fail"


def test_a_harmless_bento_is_hardly_ever_refused_on_a_busy_machine_and_mostly_nothing_is_said() -> None:
    verdicts = [judge_latency(probe(busy(2 * n), busy(2 * n + 1)), LIMITS).verdict for n in range(1000)]
    assert verdicts.count("fail") <= 2
    assert verdicts.count("inconclusive") >= 800


def test_a_busy_machine_still_shows_a_bento_of_a_hundred_times_the_time() -> None:
    verdicts = [judge_latency(probe(busy(2 * n, 100), busy(2 * n + 1)), LIMITS).verdict for n in range(100)]
    assert verdicts.count("fail") >= 80
    assert "pass" not in verdicts


def test_what_the_champions_own_turns_differ_by_is_no_difference() -> None:
    champion = [10.0, 40.0] * (TURNS // 2)
    found = judge_latency(probe([2 * one for one in champion], champion), LIMITS)
    assert found.verdict == "inconclusive"
    assert "the champion's own turns differ by a factor of 4.00" in found.reason


def test_without_a_champion_only_the_limit_for_any_bento_holds_and_the_verdict_says_so() -> None:
    found = judge_latency(probe([2_000.0] * TURNS), LIMITS)
    assert found.verdict == "pass"
    assert "not compared: nothing is released yet" in found.reason
    assert judge_latency(probe([SANITY_P99_MS + 1] * TURNS), LIMITS).verdict == "fail"


def test_a_limit_of_the_products_own_fails_a_bento_unless_the_champion_exceeds_it_too() -> None:
    limits = LatencyLimits(margin=0.5, maximum_p99_ms=30.0)
    assert judge_latency(probe([31.0] * TURNS), limits).verdict == "fail"
    assert judge_latency(probe([31.0] * TURNS, [25.0] * TURNS), limits).verdict == "fail"
    assert judge_latency(probe([31.0] * TURNS, [35.0] * TURNS), limits).verdict == "inconclusive"
    assert judge_latency(probe([29.0] * (TURNS - 1) + [90.0]), limits).verdict == "pass"
