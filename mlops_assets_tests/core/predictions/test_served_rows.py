"""Served predictions beside a batch: one row per event and version, the newest answer, and no error."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.core.predictions.served_rows import not_served, served_rows, served_summary

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SCHEMA = {
    "prediction_id": pl.String,
    "event": pl.Int64,
    "model_version": pl.Int64,
    "role": pl.String,
    "received_at": pl.Datetime("us", "UTC"),
    "score": pl.Float64,
    "decision": pl.Int8,
    "threshold": pl.Float64,
    "latency_seconds": pl.Float64,
    "error": pl.String,
}
MADE_FROM = pl.DataFrame(
    {"model_version": [1], "model_as_of": [NOON], "feature_view": ["its view"]},
    schema_overrides={"model_as_of": pl.Datetime("us", "UTC")},
)


def served(*answers: tuple[int, int, int, float | None]) -> pl.DataFrame:
    """Rows of (event, version, second, score); without a score it is an error."""
    rows = [
        {
            "prediction_id": f"v{version}-{event}-{number}",
            "event": event,
            "model_version": version,
            "role": "champion" if version == 1 else "challenger",
            "received_at": NOON + timedelta(seconds=second),
            "score": score,
            "decision": None if score is None else int(score >= 0.5),
            "threshold": 0.5,
            "latency_seconds": second / 1000,
            "error": "lost" if score is None else None,
        }
        for number, (event, version, second, score) in enumerate(answers)
    ]
    return pl.DataFrame(rows, schema=SCHEMA)


answers = st.tuples(
    st.integers(1, 3), st.integers(1, 2), st.integers(0, 3), st.none() | st.sampled_from([0.25, 0.5, 0.75])
)


@given(st.lists(answers, max_size=12))
def test_each_event_has_the_newest_answer_of_each_version_that_scored_it(given_answers: list) -> None:
    found = served_rows(served(*given_answers), id_column="event", made_from=MADE_FROM)
    newest: dict[tuple[int, int], tuple[int, str, float]] = {}
    for number, (event, version, second, score) in enumerate(given_answers):
        answer = (second, f"v{version}-{event}-{number}", score)
        if score is not None and answer[:2] > newest.get((event, version), (-1, "", 0.0))[:2]:
            newest[event, version] = answer
    assert {(row["event"], row["model_version"]): row["score"] for row in found.to_dicts()} == {
        key: score for key, (_, _, score) in newest.items()
    }
    assert found.height == len(newest)


def test_the_arm_is_the_role_and_an_unknown_version_has_neither_as_of_nor_view() -> None:
    found = served_rows(served((1, 1, 0, 0.5), (1, 2, 1, 0.75)), id_column="event", made_from=MADE_FROM)
    assert found.select("arm", "model_as_of", "feature_view").rows() == [
        ("champion", NOON, "its view"),
        ("challenger", None, None),
    ]


def test_a_record_that_names_its_view_keeps_it() -> None:
    rows = served((1, 1, 0, 0.5), (2, 1, 1, 0.75)).with_columns(feature_view=pl.Series(["another", None]))
    found = served_rows(rows, id_column="event", made_from=MADE_FROM)
    assert dict(found.select("event", "feature_view").iter_rows()) == {1: "another", 2: "its view"}


@given(st.lists(answers, max_size=12))
def test_a_batch_scores_what_the_version_did_not_serve(given_answers: list) -> None:
    features = pl.DataFrame({"event": [3, 1, 2]})
    done = {event for event, version, _, score in given_answers if version == 1 and score is not None}
    rows = served_rows(served(*given_answers), id_column="event", made_from=MADE_FROM.clear())
    left = not_served(features, rows, id_column="event", version=1)
    assert left["event"].to_list() == [event for event in (3, 1, 2) if event not in done]


def test_the_summary_counts_answers_and_errors_per_version() -> None:
    found = served_summary(
        served((1, 1, 1, 0.25), (2, 1, 3, 0.75), (3, 1, 2, None), (1, 2, 5, None))
    ).to_dicts()
    first, second = found
    assert (first["model_version"], first["role"], first["rows"], first["errors"]) == (1, "champion", 3, 1)
    assert first["median_score"] == 0.5
    assert first["latency_ms_p50"] == pytest.approx(2.0)
    assert first["newest"] == NOON + timedelta(seconds=3)
    assert (second["rows"], second["errors"], second["median_score"]) == (1, 1, None)
