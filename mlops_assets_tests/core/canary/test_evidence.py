"""A canary's evidence from a real registry, real tables and a real online store."""

from datetime import timedelta

import polars as pl
import pytest

from mlops_assets.catalogue import load_product
from mlops_assets.core.canary.canary import OBSERVATIONS, Canary, comparable
from mlops_assets.core.canary.evidence import read_observations, read_reference
from mlops_assets_tests.support.homes.canary_home import (
    BEGAN_AT,
    COMMIT,
    PRODUCT,
    CanaryHome,
    collect,
    served,
)

SPEC = load_product(PRODUCT).spec
NOW = BEGAN_AT + timedelta(hours=2)


def observations(home: CanaryHome, canary: Canary, *, spec=SPEC) -> pl.DataFrame:
    store = home.store()
    try:
        return read_observations(spec, canary, tables=home.tables, store=store, now=NOW)
    finally:
        store.close()


def test_a_request_is_the_same_observation_before_and_after_it_is_collected(
    home: CanaryHome, canary: Canary
) -> None:
    records = served(home, sequence=2, requests=300, errors=(0.1, 0.1))
    home.capture(records)
    waiting = observations(home, canary)
    assert waiting.schema == pl.Schema(OBSERVATIONS)
    collect(home, records)
    in_both = observations(home, canary)
    assert (waiting.height, in_both.height) == (300, 600)
    compared = [comparable(rows, canary, warm_up=timedelta(0)) for rows in (waiting, in_both)]
    assert compared[0].equals(compared[1])
    entities = {str(record.event_id): str(record.request["customer_id"]) for record in records}
    assert dict(waiting.select("event_id", "entity").iter_rows()) == entities
    assert waiting["has_failed"].sum() == sum(record.error is not None for record in records)


def test_the_store_is_read_whole_and_not_drained(home: CanaryHome, canary: Canary) -> None:
    home.capture(served(home, sequence=2, requests=10_050))
    assert observations(home, canary).height == 10_050
    assert observations(home, canary).height == 10_050


def test_other_plans_and_versions_are_left_out(home: CanaryHome, canary: Canary) -> None:
    home.capture(served(home, sequence=1, requests=50))
    other = served(home, sequence=2, requests=50)[0]
    from msgspec.structs import replace

    home.capture([replace(other, version=9), replace(other, role="shadow")])
    assert observations(home, canary).is_empty()


def test_the_outcome_that_was_known_first_counts_and_a_later_one_changes_nothing(
    home: CanaryHome, canary: Canary
) -> None:
    records = served(home, sequence=2, requests=3)
    home.capture(records)
    known = {
        0: [(BEGAN_AT + timedelta(minutes=90), 1), (BEGAN_AT + timedelta(minutes=95), 0)],
        1: [(BEGAN_AT - timedelta(days=1), 0)],
        2: [(NOW + timedelta(minutes=1), 1)],
    }
    labels = pl.DataFrame(
        [(event, at, value) for event, versions in known.items() for at, value in versions],
        schema={"transaction_id": pl.Int64, "known_at": pl.Datetime("us", "UTC"), "is_fraud": pl.Int8},
        orient="row",
    )
    home.tables.write(PRODUCT, "labels", labels, days=None, commit=COMMIT)
    found = observations(home, canary).sort("event_id")
    assert found["outcome"].to_list() == [1, 0, None]
    assert found["outcome_known_at"].to_list() == [
        BEGAN_AT + timedelta(minutes=90),
        found["received_at"][1],
        None,
    ]


def test_the_latency_limit_is_the_champions_percentile_before_the_canary(
    home: CanaryHome, canary: Canary
) -> None:
    def limit() -> float | None:
        store = home.store()
        found = read_reference(SPEC, canary, tables=home.tables, control=home.control, store=store)
        store.close()
        return found.latency_limit_seconds

    home.capture(served(home, sequence=2, requests=300))
    assert limit() is None
    before = served(home, sequence=1, requests=400, first_id=1_000)
    home.capture(before[:150])
    assert limit() is None
    collect(home, before[100:])
    expected = pl.Series([record.latency_seconds for record in before]).quantile(0.95)
    assert limit() == pytest.approx(expected)


def test_a_limit_of_the_policy_is_taken_as_it_is(home: CanaryHome, canary: Canary) -> None:
    judge = SPEC.release.judge.model_copy(update={"latency_limit_seconds": 0.25})
    spec = SPEC.model_copy(update={"release": SPEC.release.model_copy(update={"judge": judge})})
    found = read_reference(spec, canary, tables=home.tables, control=home.control, store=None)
    assert found.latency_limit_seconds == 0.25


def test_the_evaluation_predicts_scores_from_the_challengers_test_rows(
    home: CanaryHome, canary: Canary
) -> None:
    events = read_reference(SPEC, canary, tables=home.tables, control=home.control, store=None).scores
    assert [event.name for event in events] == ["decision", "high_score", "low_score"]
    assert all(event.low < event.expected < event.high for event in events)
    assert events[0].champion_cut == events[0].challenger_cut == 0.5
