"""The online benchmark's own half: its vectors are held to the offline executor's, and staleness is measured."""

from collections.abc import Iterator

import pytest

from benchmarks.features.views import PUBLISHED_VIEW
from benchmarks.online_features.__main__ import (
    WARM_UP,
    Day,
    Ours,
    Timings,
    check_exact,
    simulated_day,
    stale_shares,
    staleness,
)
from mlops_assets.core.online_store.opening import open_online_store


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Day, Ours]]:
    """A small day, answered from SQLite."""
    day = simulated_day(customers=300, terminals=100, requests=WARM_UP + 20)
    store = open_online_store(str(tmp_path_factory.mktemp("store")), "fraud_detection")
    ours = Ours(store, day)
    ours.ask(day.requests)
    yield day, ours
    store.close()


def test_every_request_is_answered_captured_and_timed_after_the_warm_up(answered):
    day, ours = answered
    assert len(ours.vectors) == len(day.requests) > WARM_UP
    assert len(ours.timings.answer[0]) == len(ours.timings.commit[0]) == len(day.requests) - WARM_UP


def test_a_vector_that_differs_in_one_bit_ends_the_benchmark(answered):
    day, ours = answered
    check_exact(day, ours.vectors)
    at = PUBLISHED_VIEW.feature_names.index("customer_mean_amount_30d")
    wrong = list(ours.vectors[-1])
    wrong[at] *= 1 + 2**-52
    with pytest.raises(SystemExit, match="differ"):
        check_exact(day, [*ours.vectors[:-1], tuple(wrong)])


def test_staleness_counts_what_differs_per_feature(answered):
    _, ours = answered
    exact = [dict(zip(PUBLISHED_VIEW.feature_names, vector, strict=True)) for vector in ours.vectors]
    assert staleness(ours.vectors, exact)["stale"].to_list() == [0.0] * 12
    exact[0] = exact[0] | {"customer_transaction_count_1d": None}
    one = staleness(ours.vectors, exact)
    assert one["stale"].to_list() == [1 / len(exact)] + [0.0] * 11
    assert one["missing"][0] == 1 / len(exact)


def test_windows_that_hold_the_request_are_told_apart_from_the_others(answered):
    """The customer's windows hold it, the terminal's, which end days before, do not."""
    _, ours = answered
    nothing = [dict.fromkeys(PUBLISHED_VIEW.feature_names, -1.0)] * len(ours.vectors)
    exact = [dict(zip(PUBLISHED_VIEW.feature_names, vector, strict=True)) for vector in ours.vectors]
    held = {name: -1.0 for name in PUBLISHED_VIEW.feature_names if name.startswith("customer")}
    stale = staleness(ours.vectors, [one | held for one in exact])
    assert stale_shares(stale) == {
        "feast_stale_share": 0.5,
        "feast_stale_share_with_request": 1.0,
        "feast_stale_share_without_request": 0.0,
    }
    assert set(stale_shares(staleness(ours.vectors, nothing)).values()) == {1.0}


def test_the_commit_counts_where_it_is_asked_for():
    timings = Timings(answer=[[1.0, 2.0, 3.0]], commit=[[10.0, 10.0, 10.0]])
    assert (timings.medians(), timings.medians(with_commit=True)) == ([2.0], [12.0])
    assert timings.quantile(0.5, with_commit=True) == 12_000.0
