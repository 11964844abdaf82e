"""The canary benchmark at a small size: it draws what it says, and judges it by the judge's own code."""

import numpy as np
import polars as pl

from benchmarks.canary.__main__ import HARMS, fixed_sample, judge_run
from benchmarks.canary.traffic import LATENCY_LIMIT_SECONDS, Harm, Traffic, draw
from mlops_assets.core.canary.canary import OBSERVATIONS

SMALL = Traffic(requests=6_000, percents=(50,))


def test_traffic_is_as_described_and_the_same_for_a_seed() -> None:
    drawn = draw(Traffic(requests=20_000), harm=Harm(), seed=3)
    assert drawn.equals(draw(Traffic(requests=20_000), harm=Harm(), seed=3))
    assert drawn.schema == pl.Schema(OBSERVATIONS)
    assert 0.03 < (drawn["latency_seconds"] > LATENCY_LIMIT_SECONDS).mean() < 0.07  # type: ignore[operator]
    arms = drawn.group_by("plan_sequence", "entity").agg(pl.col("is_challenger").n_unique())
    assert arms["is_challenger"].max() == 1
    shares = drawn.group_by("plan_sequence").agg(pl.col("is_challenger").mean()).sort("plan_sequence")
    assert shares["is_challenger"].is_sorted()


def test_a_harmless_canary_is_left_alone_and_each_harm_is_found() -> None:
    assert min(judge_run(SMALL, Harm(), 0).first_at.values()) == np.inf
    for topic, harm in HARMS.values():
        assert judge_run(SMALL, harm, 0).first_at[topic] < 6_000


def test_a_fixed_sample_needs_more_for_a_smaller_harm() -> None:
    large, small = (fixed_sample("latency", Harm(latency_factor=by), SMALL) for by in (1.5, 1.25))
    assert 0 < large < small
