"""Computing in a thread of its own while the caller reads and writes."""

import threading
from collections.abc import Iterator

import pytest

from mlops_assets.core.runtime.prefetch import computed_ahead

PATIENCE_SECONDS = 30


def test_results_come_in_the_order_of_the_items() -> None:
    assert list(computed_ahead(range(7), lambda item: item * item)) == [0, 1, 4, 9, 16, 25, 36]
    assert list(computed_ahead([], lambda item: item)) == []


def test_the_next_result_is_computed_while_the_caller_holds_one() -> None:
    begun = {item: threading.Event() for item in range(3)}

    def compute(item: int) -> int:
        begun[item].set()
        return item

    for item in computed_ahead(range(3), compute):
        assert begun[min(item + 1, 2)].wait(PATIENCE_SECONDS)


def test_items_are_taken_on_the_callers_thread_and_computed_on_another() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(3):
            taken.append(threading.get_ident())
            yield item

    computed = list(computed_ahead(items(), lambda _: threading.get_ident()))
    assert set(taken) == {threading.get_ident()}
    assert threading.get_ident() not in computed


def test_no_more_than_one_further_item_is_taken_than_is_computed() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(10):
            taken.append(item)
            yield item

    for result in computed_ahead(items(), lambda item: item):
        assert max(taken) <= result + 1


def test_a_failure_is_raised_after_the_earlier_results_and_the_rest_is_not_computed() -> None:
    computed: list[int] = []

    def compute(item: int) -> int:
        computed.append(item)
        return 8 // (2 - item)

    results = computed_ahead(range(10), compute)
    assert [next(results), next(results)] == [4, 8]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert set(computed) <= {0, 1, 2, 3}


def test_a_caller_that_stops_early_leaves_no_thread_behind() -> None:
    for result in computed_ahead(range(10), lambda item: item):
        if result == 1:
            break
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("computed-ahead")]


def test_several_threads_compute_at_once_and_results_keep_their_order() -> None:
    together = threading.Barrier(2, timeout=10)

    def compute(item: int) -> int:
        together.wait()  # passes only if another one is computed now
        return item

    assert list(computed_ahead(range(6), compute, threads=2)) == list(range(6))


def test_no_more_items_are_taken_than_threads_and_one() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(9):
            taken.append(item)
            yield item

    results = computed_ahead(items(), lambda item: item, threads=3)
    assert next(results) == 0
    assert taken == [0, 1, 2, 3]
    assert list(results) == list(range(1, 9))
