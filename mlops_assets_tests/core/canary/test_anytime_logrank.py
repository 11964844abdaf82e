"""The always-valid test against the enumeration of all assignments, and on simulated canaries."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.core.canary.anytime_logrank import (
    ALTERNATIVES,
    Requests,
    block_size,
    confidence_sequence,
    log_e_process,
    make_blocks,
)
from mlops_assets.core.errors import MonitoringError

HARMS = st.sampled_from([0.0, 0.05, 0.5, 1.0])


def requests(
    harm: list[float],
    is_challenger: list[bool],
    *,
    entity: list[int] | None = None,
    size: int | None = None,
    step: list[int] | None = None,
) -> Requests:
    """Requests of one entity each, in one block, unless stated otherwise."""
    rows = len(harm)
    return Requests(
        harm=np.array(harm, dtype=np.float64),
        is_challenger=np.array(is_challenger, dtype=np.bool_),
        entity=np.array(entity if entity is not None else range(rows), dtype=np.int64),
        block_size=np.full(rows, size or max(rows, 1), dtype=np.int64),
        step=np.array(step or [1] * rows, dtype=np.int64),
    )


def probabilities(harm: list[float], size: int, ratio: float) -> dict[tuple[int, ...], float]:
    """The probability that each subset of the block is the challenger's, by the definition."""
    weights = {
        subset: ratio ** sum(harm[i] for i in subset) for subset in combinations(range(len(harm)), size)
    }
    return {subset: weight / sum(weights.values()) for subset, weight in weights.items()}


def evidence(harm: list[float], subset: tuple[int, ...], **test: object) -> float:
    blocks = make_blocks(requests(harm, [i in subset for i in range(len(harm))]))
    path = log_e_process(blocks, **test)  # type: ignore[arg-type]
    return float(np.exp(path[-1])) if len(path) else 1.0


@given(
    harm=st.lists(HARMS, min_size=2, max_size=7),
    data=st.data(),
    null_ratio=st.sampled_from([0.5, 1.0, 1.5]),
    direction=st.sampled_from(["more", "fewer"]),
)
@settings(deadline=None, max_examples=60)
def test_the_evidence_of_a_block_is_the_likelihood_ratio_by_enumeration(
    harm: list[float], data: st.DataObject, null_ratio: float, direction: str
) -> None:
    size = data.draw(st.integers(1, len(harm) - 1))
    subset = data.draw(st.sampled_from(list(combinations(range(len(harm)), size))))
    steps = [null_ratio * by if direction == "more" else null_ratio / by for by in ALTERNATIVES]
    expected = np.mean([probabilities(harm, size, ratio)[subset] for ratio in steps])
    expected /= probabilities(harm, size, null_ratio)[subset]
    assert evidence(harm, subset, null_ratio=null_ratio, direction=direction) == pytest.approx(expected)


@given(
    harm=st.lists(HARMS, min_size=2, max_size=7),
    data=st.data(),
    share_of_limit=st.sampled_from([1.0, 0.7, 0.2]),
)
@settings(deadline=None, max_examples=60)
def test_without_harm_beyond_the_margin_a_block_is_expected_to_add_no_evidence(
    harm: list[float], data: st.DataObject, share_of_limit: float
) -> None:
    size = data.draw(st.integers(1, len(harm) - 1))
    truth = probabilities(harm, size, 1.5 * share_of_limit)
    mean = sum(p * evidence(harm, subset, null_ratio=1.5, direction="more") for subset, p in truth.items())
    if share_of_limit == 1.0:
        assert mean == pytest.approx(1.0)
    else:
        assert mean <= 1.0 + 1e-9


@given(
    harm=st.lists(HARMS, min_size=1, max_size=120),
    cut=st.integers(0, 120),
    seed=st.integers(0, 9),
)
@settings(deadline=None, max_examples=40)
def test_later_requests_change_nothing_of_what_was_seen_before(
    harm: list[float], cut: int, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    entity = generator.integers(0, 30, len(harm)).tolist()
    arm = [one % 3 == 0 for one in entity]
    whole, part = (
        log_e_process(
            make_blocks(requests(harm[:n], arm[:n], entity=entity[:n], size=10)),
            null_ratio=1.0,
            direction="more",
        )
        for n in (len(harm), cut)
    )
    # Not to the last bit: a wider block is summed in another order.
    assert whole[: len(part)].tolist() == pytest.approx(part.tolist(), rel=1e-12, abs=1e-12)


def test_an_entity_leaves_after_its_first_harm() -> None:
    harm, arm = [1.0, 0.0, 1.0, 0.0, 1.0, 0.0], [True, False] * 3
    blocks = make_blocks(requests(harm, arm, entity=[0, 1, 0, 1, 2, 1], size=2))
    assert blocks.harm.tolist() == [[1.0, 0.0]]  # second requests: entity 0 has left
    assert blocks.closed_at.tolist() == [1]


def test_an_entity_counts_once_per_block_and_keeps_its_places_where_it_leaves() -> None:
    harm = [0.0] * 3 + [1.0, 0.0, 1.0, 0.0, 0.0]
    arm = [True, False, False, True, False, True, False, False]
    blocks = make_blocks(requests(harm, arm, entity=[0, 1, 2, 0, 1, 0, 1, 2], size=5))
    # Of the second and third requests, entity 0's first does harm, and its other one still takes a place.
    assert blocks.harm[blocks.is_there].tolist() == [1.0, 0.0, 0.0]
    assert blocks.closed_at.tolist() == [7]
    assert blocks.stratum.tolist() == [1]


def test_a_lesser_harm_counts_once_and_a_greater_one_still_counts() -> None:
    harm, arm = [0.05, 0.0, 0.05, 0.0, 1.0, 0.0, 0.05, 0.0], [True, False] * 4
    blocks = make_blocks(requests(harm, arm, entity=[0, 1, 0, 1, 0, 1, 2, 3], size=2))
    # First requests; second ones, of no new harm; third ones; and the first requests of 2 and 3.
    assert blocks.harm.tolist() == [[0.05, 0.0], [1.0, 0.0], [0.05, 0.0]]
    assert blocks.closed_at.tolist() == [1, 5, 7]


def test_only_requests_of_the_same_stratum_are_compared_and_later_strata_can_be_left_out() -> None:
    entity = [0, 0, 1, 1, 0, 0, 1, 1]
    harm, arm = [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0], [one == 0 for one in entity]
    blocks = make_blocks(requests(harm, arm, entity=entity, size=2))
    assert blocks.stratum.tolist() == [2]  # the two fourth requests
    assert len(make_blocks(requests(harm, arm, entity=entity, size=2), strata=2)) == 0


def test_each_stratum_has_its_own_ratio() -> None:
    blocks = make_blocks(requests([1.0, 0.0, 0.0], [True, False, False]))
    plain = log_e_process(blocks, null_ratio=3.0, direction="more")
    assert log_e_process(blocks, null_ratio=1.5, direction="more", factors=[2.0]) == pytest.approx(plain)
    assert log_e_process(blocks, null_ratio=1.5, direction="more", factors=[1.0]) != pytest.approx(plain)


def test_a_block_never_spans_two_steps_and_a_block_that_is_not_full_waits() -> None:
    harm, arm = [1.0, 0.0, 1.0, 0.0, 1.0], [True, False, True, False, True]
    assert make_blocks(requests(harm, arm, size=2)).closed_at.tolist() == [1, 3]
    assert make_blocks(requests(harm, arm, size=2, step=[1, 2, 2, 2, 2])).closed_at.tolist() == [2, 4]


def test_an_entity_begins_anew_with_each_step() -> None:
    harm, arm, entity = [1.0, 0.0] * 2, [True, False] * 2, [0, 1, 0, 1]
    blocks = make_blocks(requests(harm, arm, entity=entity, size=2, step=[1, 1, 2, 2]))
    assert blocks.stratum.tolist() == [0, 0]


@pytest.mark.parametrize("arm", [[True] * 4, [False] * 4])
def test_one_arm_alone_says_nothing(arm: list[bool]) -> None:
    assert len(make_blocks(requests([1.0, 0.0, 0.0, 1.0], arm))) == 0


def test_no_request_says_nothing() -> None:
    blocks = make_blocks(requests([], []))
    assert len(log_e_process(blocks, null_ratio=1.0, direction="more")) == 0
    assert confidence_sequence(blocks, alpha=0.05) == (0.0, float("inf"))


def test_harm_beyond_its_scale_is_refused() -> None:
    with pytest.raises(MonitoringError, match="between 0 and 1"):
        make_blocks(requests([2.0, 0.0], [True, False]))


def test_the_arms_may_change_places() -> None:
    generator = np.random.default_rng(5)
    harm = (generator.random(400) < 0.2).astype(float).tolist()
    arm = (generator.random(400) < 0.1).tolist()
    there = log_e_process(make_blocks(requests(harm, arm, size=100)), null_ratio=1.5, direction="more")
    back = log_e_process(
        make_blocks(requests(harm, [not one for one in arm], size=100)), null_ratio=1 / 1.5, direction="fewer"
    )
    assert there == pytest.approx(back)


def test_an_outage_of_both_arms_is_no_evidence_against_either() -> None:
    harm = [0.0] * 200 + [1.0] * 200 + [0.0] * 200
    arm = (np.random.default_rng(0).random(600) < 0.5).tolist()
    path = log_e_process(make_blocks(requests(harm, arm, size=20)), null_ratio=1.0, direction="more")
    assert path.max(initial=0.0) < np.log(2)


@pytest.mark.parametrize(("percent", "size"), [(1, 200), (5, 40), (10, 20), (50, 20), (95, 40), (99, 200)])
def test_a_block_has_about_two_requests_of_the_smaller_arm(percent: int, size: int) -> None:
    assert block_size(percent) == size


def simulated(
    *, percent: int, champion: float, challenger: float, entities: int, frailty: float | None, seed: int
) -> Requests:
    """20,000 requests of entities that keep their arm and, with a frailty, their own rate of harm."""
    generator = np.random.default_rng(seed)
    entity = generator.integers(0, entities, 20_000)
    arm = (generator.random(entities) * 100 < percent)[entity]
    own = generator.gamma(frailty, 1 / frailty, entities)[entity] if frailty else 1.0
    rate = np.minimum(np.where(arm, challenger, champion) * own, 1.0)
    harm = (generator.random(20_000) < rate).astype(np.float64)
    size = np.full(20_000, block_size(percent))
    return Requests(harm, arm, entity, size, np.ones(20_000, dtype=np.int64))


@pytest.mark.parametrize(
    ("percent", "entities", "frailty"),
    [(50, 20_000, None), (1, 20_000, None), (50, 100, 0.1), (10, 100, 0.1), (10, 1_000, 0.05)],
)
def test_equal_arms_are_told_apart_by_chance_at_most_as_often_as_stated(
    percent: int, entities: int, frailty: float | None
) -> None:
    alpha, runs = 0.1, 75
    rejected = 0
    for seed in range(runs):
        drawn = simulated(
            percent=percent, champion=0.03, challenger=0.03, entities=entities, frailty=frailty, seed=seed
        )
        path = log_e_process(make_blocks(drawn), null_ratio=1.0, direction="more")
        rejected += path.max(initial=0.0) >= np.log(1 / alpha)
    # 14 or more of 75 have a probability below 2 % at a rate of 0.1.
    assert rejected < 14


def test_a_true_ratio_stays_in_its_confidence_sequence_and_harm_is_found() -> None:
    held = found = 0
    for seed in range(40):
        drawn = simulated(
            percent=50, champion=0.01, challenger=0.03, entities=20_000, frailty=None, seed=seed
        )
        blocks = make_blocks(drawn)
        low, high = confidence_sequence(blocks, alpha=0.1)
        held += low <= (0.03 / 0.97) / (0.01 / 0.99) <= high
        path = log_e_process(blocks, null_ratio=1.5, direction="more")
        found += path.max(initial=0.0) >= np.log(100)
    assert held >= 33
    assert found == 40


def test_a_ratio_that_turns_round_leaves_the_interval_of_the_last_look() -> None:
    harm = [1.0, 0.0] * 400
    arm = [True, False] * 100 + [False, True] * 300
    low, high = confidence_sequence(make_blocks(requests(harm, arm, size=20)), alpha=0.1)
    assert 0 < low < high < 1
