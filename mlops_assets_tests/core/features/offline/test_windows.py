"""Totals of windows over row versions, against a look at each row."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.core.features.offline import windows as module
from mlops_assets.core.features.offline.entity_blocks import BlockedRows, BlockRows
from mlops_assets.core.features.offline.windows import BlockTimes, BlockWindows, KeySpace, Versions

row = st.tuples(
    st.integers(0, 2),
    st.integers(0, 12),
    st.integers(-2, 6),
    st.none() | st.integers(1, 6),
    st.integers(-5, 5),
)
"""Entity, event time, by how much later it was known, for how long it held, and what is summed."""
queries_of = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 12)), max_size=8)


def block_of(codes: np.ndarray) -> BlockRows:
    return BlockedRows(codes, np.array([0, 3])).block(0)


def windows_of(
    rows: list, queries: list, *, delay: int, lookback: int = 20
) -> tuple[BlockWindows, BlockRows, BlockRows]:
    rows.sort(key=lambda one: one[1])
    queries.sort(key=lambda one: one[1])
    code, time, late, value = (np.array([one[at] for one in rows], dtype=np.int64) for at in (0, 1, 2, 4))
    ends = [None if hold is None else at + later + hold for _, at, later, hold, _ in rows]
    superseded = np.array([2**62 if end is None else end for end in ends], dtype=np.int64)
    query_code = np.array([code for code, _ in queries], dtype=np.int64)
    query_time = np.array([at for _, at in queries], dtype=np.int64)
    of_rows, of_queries = block_of(code), block_of(query_code)
    space = KeySpace.of(np.append(time, query_time), lookback=lookback)
    times = BlockTimes(of_rows, of_rows.take(time), of_queries, of_queries.take(query_time), space)
    has_versions = any(end is not None for end in ends)
    versions = Versions(time + late, superseded if has_versions else None)
    return BlockWindows(times, versions, [of_rows.take(value)], delay=delay), of_rows, of_queries


def seen(rows: list, asked: tuple[int, int], *, window: int, delay: int) -> list[int]:
    """Positions of the rows that a query sees, by the definition."""
    code, at = asked
    return [
        number
        for number, (entity, time, late, hold, _) in enumerate(rows)
        if entity == code
        and at - delay - window < time < at - delay
        and time + late < at
        and (hold is None or at <= time + late + hold)
    ]


@settings(max_examples=120, deadline=None)
@given(st.lists(row, max_size=15), queries_of, st.integers(1, 8), st.integers(0, 4))
def test_totals_are_those_of_the_rows_that_a_query_sees(rows: list, queries: list, window: int, delay: int):
    windows, _, of_queries = windows_of(rows, queries, delay=delay)
    count, total = (column.tolist() for column in windows.totals(window))
    for place, at in enumerate(of_queries.by_entity):
        expected = seen(rows, queries[at], window=window, delay=delay)
        assert (count[place], total[place]) == (len(expected), sum(rows[number][4] for number in expected))


@settings(max_examples=120, deadline=None)
@given(st.lists(row, max_size=15), queries_of, st.integers(1, 8), st.integers(0, 4), st.integers(1, 5))
def test_pairs_are_each_query_with_each_row_that_it_sees(
    rows: list, queries: list, window: int, delay: int, pairs: int
):
    windows, of_rows, of_queries = windows_of(rows, queries, delay=delay)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PAIRS", pairs)
        found = [
            (int(of_queries.by_entity[query]), int(of_rows.by_entity[row]))
            for part in windows.pairs(window)
            for query, row in zip(*part, strict=True)
        ]
    expected = [
        (at, number)
        for at, asked in enumerate(queries)
        for number in seen(rows, asked, window=window, delay=delay)
    ]
    assert sorted(found) == sorted(expected)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(-50, 50)), min_size=1), st.integers(0, 200))
def test_keys_sort_by_entity_and_then_by_time_and_no_lookback_reaches_another_entity(
    rows: list, lookback: int
):
    code, time = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    space = KeySpace.of(time, lookback=lookback)
    keys = space.keys(code, time)
    assert [rows[at] for at in np.argsort(keys, kind="stable")] == sorted(rows)
    highest = {entity: keys[code == entity].max() for entity in code}
    for entity, key in zip(code, keys, strict=True):
        assert all(key - space.longest > highest[other] for other in highest if other < entity)
    assert space.most_codes > code.max()
