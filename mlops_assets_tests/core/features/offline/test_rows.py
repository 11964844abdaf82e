"""Row versions of a stream: in order, once each, each for as long as it held."""

import polars as pl
import pytest
from hypothesis import given, settings

from mlops_assets.core.errors import FeatureError
from mlops_assets.core.features.offline.rows import NEVER, Rows, event_rows, label_rows
from mlops_assets.core.times import as_microseconds
from mlops_assets_tests.support.features.window_oracle import EventVersion, LabelVersion
from mlops_assets_tests.support.features.world import EPOCH, HOUR, VIEW, event, frames, histories


def superseded(rows: Rows) -> list[int]:
    return [int(NEVER)] * rows.frame.height if rows.superseded_at is None else rows.superseded_at.tolist()


@settings(max_examples=80, deadline=None)
@given(histories())
def test_each_version_of_an_event_holds_until_the_next_one_is_known(history):
    events, labels = history
    rows = event_rows(VIEW, frames(events, labels)[0])
    expected = []
    for version in sorted(set(events), key=lambda e: (e.event_timestamp, e.id, e.known_at)):
        later = [e.known_at for e in events if e.id == version.id and e.known_at > version.known_at]
        end = as_microseconds(min(later)) if later else int(NEVER)
        expected.append(
            (version.id, as_microseconds(version.event_timestamp), as_microseconds(version.known_at), end)
        )
    found = zip(rows.frame["id"], rows.event_time, rows.known_at, superseded(rows), strict=True)
    assert list(found) == expected
    first = {
        version.id: version.known_at for version in sorted(events, key=lambda e: e.known_at, reverse=True)
    }
    assert rows.is_first_version().tolist() == [
        as_microseconds(first[id_]) == known for id_, _, known, _ in expected
    ]


@settings(max_examples=80, deadline=None)
@given(histories())
def test_a_label_holds_while_both_it_and_a_version_of_its_event_do(history):
    events, labels = history
    event_frame, label_frame = frames(events, labels)
    rows = event_rows(VIEW, event_frame)
    found = label_rows(VIEW, label_frame, rows)
    expected = []
    for version in set(events):
        for label in {label for label in labels if label.id == version.id}:
            ends = [e.known_at for e in events if e.id == version.id and e.known_at > version.known_at]
            ends += [one.known_at for one in labels if one.id == label.id and one.known_at > label.known_at]
            expected.append(
                (
                    label.id,
                    label.is_fraud,
                    as_microseconds(max(version.known_at, label.known_at)),
                    as_microseconds(min(ends)) if ends else int(NEVER),
                )
            )
    key = lambda row: (row[0], row[2], row[3], row[1] is None, row[1] or 0)  # noqa: E731
    rows_found = zip(
        found.frame["id"], found.frame["is_fraud"], found.known_at, superseded(found), strict=True
    )
    assert sorted(rows_found, key=key) == sorted(expected, key=key)


def test_lateness_is_the_longest_time_after_its_own_by_which_a_row_was_known():
    events = [event(1, 0), event(2, 1, known_at=EPOCH + 4 * HOUR), event(3, 2, known_at=EPOCH)]
    assert event_rows(VIEW, frames(events, [])[0]).lateness == as_microseconds(
        EPOCH + 3 * HOUR
    ) - as_microseconds(EPOCH)
    assert event_rows(VIEW, frames([event(3, 2, known_at=EPOCH)], [])[0]).lateness == 0


def test_labels_without_an_event_are_left_out():
    rows = event_rows(VIEW, frames([event(1, 0)], [])[0])
    labels = frames([], [LabelVersion(1, EPOCH, 1), LabelVersion(9, EPOCH, 1)])[1]
    assert label_rows(VIEW, labels, rows).frame["id"].to_list() == [1]


@pytest.mark.parametrize(
    ("versions", "words"),
    [
        ([event(1, 0), event(1, 1)], "may not move an event"),
        ([event(1, 0), event(1, 0, amount=2.0)], "differ at the same id and known_at"),
    ],
)
def test_versions_that_contradict_each_other_are_refused(versions: list[EventVersion], words: str):
    with pytest.raises(FeatureError, match=words):
        event_rows(VIEW, frames(versions, [])[0])


def test_repeated_rows_count_once():
    rows = event_rows(VIEW, frames([event(1, 0), event(2, 0), event(1, 0)], [])[0])
    assert rows.frame["id"].to_list() == [1, 2]
    assert superseded(rows) == [int(NEVER)] * 2
    assert isinstance(rows.frame, pl.DataFrame)
