"""What services see of an event: what was captured of it, and corrections that came later."""

from dataclasses import replace
from datetime import timedelta

import polars as pl

from mlops_assets.core.features.online.seen_events import IS_CAPTURED, seen_events
from mlops_assets_tests.support.features.world import EPOCH, ROW_FEATURES, VIEW, event, frames

HOUR = timedelta(hours=1)


def known_at(events: pl.DataFrame, hours: float) -> pl.DataFrame:
    return events.with_columns(
        known_at=pl.lit(EPOCH + timedelta(hours=hours)).cast(events.schema["known_at"])
    )


def test_a_captured_event_stands_in_the_place_of_the_one_that_the_lakehouse_knew_before() -> None:
    events, _ = frames([event(1, 1, customer="a", terminal=1), event(2, 2, customer="a", terminal=1)], [])
    captured = known_at(events.head(1), 3)
    seen = seen_events(VIEW, events, captured)
    assert seen.select("id", "known_at", IS_CAPTURED).rows() == [
        (1, EPOCH + 3 * HOUR, True),
        (2, events["known_at"][1], False),
    ]


def test_a_correction_counts_when_it_became_known_later_and_is_of_the_same_time() -> None:
    events, _ = frames([event(1, 1, customer="a", terminal=1)], [])
    corrected = known_at(events.with_columns(amount=pl.lit(9.0)), 5)
    moved = known_at(events.with_columns(event_timestamp=pl.col("event_timestamp") + HOUR), 6)
    captured = known_at(events, 3)
    seen = seen_events(VIEW, pl.concat([events, corrected, moved]), captured)
    assert seen["known_at"].to_list() == [EPOCH + 3 * HOUR, EPOCH + 5 * HOUR]
    assert seen["amount"][1] == 9.0


def test_without_event_times_what_was_captured_is_all() -> None:
    events, _ = frames([event(1, 1, customer="a", terminal=1), event(2, 2, customer="a", terminal=1)], [])
    cohort = replace(VIEW, event_timestamp=None, features=ROW_FEATURES[:1])
    assert seen_events(cohort, events, events.head(1))["id"].to_list() == [1]
