"""What a replay is made of: captured events from when they were captured, the lakehouse's rows from their own times."""

import polars as pl
import pytest

from mlops_assets.core.errors import MonitoringError
from mlops_assets.core.parity.replay import captured_events, replay_of
from mlops_assets_tests.support.parity.visits import DTYPES, VIEW, captured, rows


def test_a_request_becomes_the_event_that_was_asked_in_the_lakehouses_types() -> None:
    predictions = captured((1, 0, 3, "ada", 12.1), (2, 1, 3, None, None), (1, 0, 3, "ada", 12.1))
    events = captured_events(VIEW, predictions, dtypes=DTYPES)
    assert events.select(DTYPES.keys()).equals(rows((1, 0, 3, "ada", 12.1), (2, 1, 3, None, None)))
    assert dict(events.schema) == {name: DTYPES[name] for name in VIEW.input_columns}


def test_the_first_of_contradicting_copies_of_an_event_stays() -> None:
    predictions = captured((1, 0, 3, "ada", 12.0), (1, 5, 7, "ada", 12.0), (1, 0, 9, "bob", 1.0))
    events = captured_events(VIEW, predictions, dtypes=DTYPES)
    assert events.select(DTYPES.keys()).equals(rows((1, 0, 3, "ada", 12.0), (1, 0, 9, "bob", 1.0)))


def test_a_request_that_is_none_is_refused() -> None:
    broken = captured((1, 0, 3, "ada", 12.0)).with_columns(request=pl.lit("{"))
    with pytest.raises(MonitoringError, match="view visits: captured requests cannot be read"):
        captured_events(VIEW, broken, dtypes=DTYPES)


def test_a_captured_event_is_seen_from_its_capture_on_and_not_from_the_lakehouses_time() -> None:
    served = captured_events(VIEW, captured((1, 0, 10, "ada", 5.0), (2, 8, 8, "ada", 7.0)), dtypes=DTYPES)
    history = rows((1, 0, 0, "ada", 5.0), (9, -60, -60, "ada", 100.0))
    replay = replay_of(VIEW, history, served, None)
    ids = pl.Series("visit_id", [2])
    assert replay.vectors(ids, VIEW.feature_names).tolist() == [[2.0, 107.0]]


def test_a_correction_that_the_lakehouse_learned_later_replaces_the_captured_event() -> None:
    events = captured((1, 0, 1, "ada", 5.0), (2, 8, 8, "ada", 7.0), (3, 20, 20, "ada", 7.0))
    served = captured_events(VIEW, events, dtypes=DTYPES)
    history = rows((1, 0, 0, "ada", 5.0), (1, 0, 10, "ada", 50.0), (2, 99, 10, "ada", 50.0))
    replay = replay_of(VIEW, history, served, None)
    ids = pl.Series("visit_id", [2, 3])
    assert replay.vectors(ids, VIEW.feature_names).tolist() == [[2.0, 12.0], [3.0, 64.0]]
