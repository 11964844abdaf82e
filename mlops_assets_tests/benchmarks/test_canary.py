"""The canary benchmark at a small size: it serves what it draws, and judges it by the judge's own code."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from benchmarks.canary.__main__ import HARMS, WORLDS, fixed_sample
from benchmarks.canary.judged import judge_run
from benchmarks.canary.served import serve
from benchmarks.canary.traffic import LATENCY_LIMIT_SECONDS, Harm, Traffic, World
from mlops_assets.core.canary.canary import OBSERVATIONS, comparable

SMALL = Traffic(requests=8_000, entities=5_000, percents=(50,))
ERRORS = replace(WORLDS["aa_abort_rate_errors_in_both_arms"], requests=2_000, percents=(5, 50))


def test_what_is_served_is_what_was_drawn_and_the_same_for_a_seed() -> None:
    drawn = World(ERRORS, 3).draw(ERRORS.requests)
    canary = ERRORS.canary(2)
    served = serve(drawn, Harm(), canary)
    assert served.equals(serve(World(ERRORS, 3).draw(ERRORS.requests), Harm(), canary))
    assert served.schema == pl.Schema(OBSERVATIONS)
    rows = comparable(served, canary, warm_up=timedelta(0)).sort(pl.col("event_id").cast(pl.Int64))
    arm = rows["is_challenger"].to_numpy()
    assert rows.height == ERRORS.requests
    assert rows["has_failed"].to_list() == np.where(arm, drawn.has_failed(1), drawn.has_failed(0)).tolist()
    assert rows["entity"].to_list() == drawn.entity.astype(np.str_).tolist()
    assert rows["outcome"].to_list() == drawn.outcome.tolist()
    assert 0.03 < (rows["latency_seconds"] > LATENCY_LIMIT_SECONDS).mean() < 0.07  # type: ignore[operator]


def test_a_request_that_failed_and_was_sent_again_is_there_twice_and_judged_once() -> None:
    drawn, canary = World(ERRORS, 3).draw(ERRORS.requests), ERRORS.canary(2)
    served = serve(drawn, Harm(), canary)
    champion = served.filter(pl.col("is_challenger").not_())
    again = champion.filter(pl.col("event_id").is_duplicated()).group_by("event_id").agg("has_failed")
    assert again["has_failed"].list.len().unique().to_list() == [2]
    assert again["has_failed"].list.first().all()


@pytest.mark.parametrize("key", WORLDS)
def test_a_harmless_canary_of_each_world_is_left_alone(key: str) -> None:
    run = judge_run(replace(WORLDS[key], requests=3_000, percents=(50,)), Harm(), 0)
    assert min(run.first_at.values()) == np.inf


@pytest.mark.parametrize(("topic", "harm"), HARMS.values())
def test_each_harm_is_found(topic: str, harm: Harm) -> None:
    assert judge_run(SMALL, harm, 0).first_at[topic] < 8_000  # type: ignore[index]


def test_a_fixed_sample_needs_more_for_a_smaller_harm() -> None:
    large, small = (fixed_sample("latency", Harm(latency_factor=by), SMALL) for by in (1.5, 1.25))
    assert 0 < large < small
