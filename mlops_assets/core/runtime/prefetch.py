"""Overlaps computing with reading and writing: one thread computes while the caller does the rest.

It gains where computing lets go of Python's lock, as Polars and LightGBM do.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def computed_ahead(items: Iterable[Item], compute: Callable[[Item], Result]) -> Iterator[Result]:
    """Yield `compute(item)` of each item in order, while the next one is computed in a thread of its own.

    Items are taken on the caller's thread, one more than is computed: at most two items and one result wait besides
    what the caller holds. An exception of `compute` is raised in its place, after all earlier results; no item that was
    not begun is computed then, or when the caller stops early.
    """
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="computed-ahead")
    try:
        earlier: Future[Result] | None = None
        for item in items:
            begun = pool.submit(compute, item)
            if earlier is not None:
                yield earlier.result()
            earlier = begun
        if earlier is not None:
            yield earlier.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
