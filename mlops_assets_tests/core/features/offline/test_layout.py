"""Rows and asked events of one entity kind in the same blocks, whatever the size of a block."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.core.features.offline import entity_blocks
from mlops_assets.core.features.offline.aggregates import as_codes
from mlops_assets.core.features.offline.layout import Layout
from mlops_assets.core.features.offline.rows import event_rows, label_rows
from mlops_assets_tests.support.features.world import VIEW, frames, histories


@settings(max_examples=80, deadline=None)
@given(histories(), st.integers(1, 6), st.data())
def test_a_block_has_all_rows_and_asked_events_of_its_entities(history, block_rows, data):
    event_frame, label_frame = frames(*history)
    rows = event_rows(VIEW, event_frame)
    labels = label_rows(VIEW, label_frame, rows)
    code = as_codes(rows.frame["customer"])
    asked = data.draw(
        st.none() | st.lists(st.integers(0, max(code.size - 1, 0)), unique=True, max_size=code.size)
    )
    positions = None if asked is None else np.array(sorted(asked), dtype=np.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entity_blocks, "BLOCK_ROWS", block_rows)
        layout = Layout({"events": rows, "labels": labels}, code, positions, lookback=10**9)
    at = layout.lay(np.arange(code.size), "events")
    label_at = layout.lay(np.arange(labels.frame.height), "labels")
    event_of = np.arange(code.size) if labels.event_row is None else labels.event_row
    queries: list[int] = []
    for number in layout.block_numbers:
        block = layout.block(number)
        found = block.queries.take(at.of_queries).tolist()
        queries += found
        entities = {int(code[query]) for query in found}
        in_block = block.times["events"].rows.take(at.of_rows)
        assert {int(row) for row in in_block} >= {row for row in range(code.size) if code[row] in entities}
        label_rows_in_block = block.times["labels"].rows.take(label_at.of_rows)
        assert {int(row) for row in label_rows_in_block} >= {
            row for row in range(labels.frame.height) if code[event_of[row]] in entities
        }
        assert (np.diff(code[in_block]) >= 0).all()
    every = range(code.size) if positions is None else positions.tolist()
    assert sorted(queries) == sorted(row for row in every if code[row] >= 0)
