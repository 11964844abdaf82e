"""Rows in blocks of entities: every row in one place, in the order of its entity, and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.core.features.offline import entity_blocks
from mlops_assets.core.features.offline.entity_blocks import BlockedRows, cut_codes

code_lists = st.lists(st.integers(-1, 9), max_size=40)


def blocked(codes: np.ndarray, block_rows: int) -> tuple[BlockedRows, np.ndarray]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entity_blocks, "BLOCK_ROWS", block_rows)
        first_codes = cut_codes(np.bincount(codes[codes >= 0]), most_codes=4)
    return BlockedRows(codes, first_codes), first_codes


@given(code_lists, st.integers(1, 50))
def test_blocks_hold_each_row_with_an_entity_once_sorted_by_entity_and_then_by_place(codes, block_rows):
    codes = np.array(codes, dtype=np.int64)
    rows, first_codes = blocked(codes, block_rows)
    places, found = rows.arrange(np.arange(codes.size)), []
    for number, first in enumerate(first_codes[:-1]):
        block = rows.block(number)
        assert (codes[block.take(places)] == block.code + first).all()
        found += block.take(places).tolist()
    assert found == sorted(np.flatnonzero(codes >= 0).tolist(), key=lambda row: (codes[row], row))


@given(code_lists, st.integers(1, 50))
def test_what_blocks_write_returns_to_the_rows_places(codes, block_rows):
    codes = np.array(codes, dtype=np.int64)
    rows, first_codes = blocked(codes, block_rows)
    written = np.full(codes.size, -1)
    for number, first in enumerate(first_codes[:-1]):
        block = rows.block(number)
        block.put(block.code + first, written)
    restored = np.empty_like(written)
    rows.restore(written, restored)
    assert (restored == codes).all()


def test_a_block_has_about_the_asked_rows_whole_entities_and_no_more_codes_than_fit(monkeypatch):
    monkeypatch.setattr(entity_blocks, "BLOCK_ROWS", 10)
    assert cut_codes(np.array([4, 4, 4, 30, 1, 0, 0, 0]), most_codes=3).tolist() == [0, 2, 3, 4, 7, 8]
