"""Overlaps computing with reading and writing: threads compute while the caller does the rest.

It gains where computing lets go of Python's lock, as Polars and LightGBM do.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def computed_ahead(
    items: Iterable[Item], compute: Callable[[Item], Result], *, threads: int = 1
) -> Iterator[Result]:
    """Yield `compute(item)` of each item in order, while the next ones are computed in threads of their own.

    Items are taken on the caller's thread, one more than is computed: at most one item and one result for each thread,
    and one item more, wait besides what the caller holds. An exception of `compute` is raised in its place, after all
    earlier results; no item that was not begun is computed then, or when the caller stops early.
    """
    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="computed-ahead")
    try:
        begun: deque[Future[Result]] = deque()
        for item in items:
            begun.append(pool.submit(compute, item))
            if len(begun) > threads:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
