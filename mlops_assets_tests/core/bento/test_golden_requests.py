"""Golden requests: what a service must answer, from what was known before the first of them."""

import json

import polars as pl
import pytest

from mlops_assets.core.bento.golden_requests import (
    MAXIMUM_EVENTS,
    GoldenRequests,
    as_request,
    golden_history,
    golden_requests,
)
from mlops_assets.core.errors import PackagingError
from mlops_assets.core.features.online.executor import OnlineFeatures
from mlops_assets.core.features.online.states import build_states
from mlops_assets.core.times import as_microseconds
from mlops_assets_tests.support.homes.product_bento import SampledProduct, sampled_product


def asked_of(sampled: SampledProduct, events: pl.DataFrame, labels: pl.DataFrame | None) -> GoldenRequests:
    return golden_requests(sampled.product, sampled.model, events, labels)


def test_the_newest_events_are_asked_with_the_vectors_and_scores_of_their_first_versions(
    sampled: SampledProduct, golden: GoldenRequests
) -> None:
    newest = sampled.events.sort("event_timestamp", "transaction_id").tail(MAXIMUM_EVENTS)
    assert [event["transaction_id"] for event in golden.events] == newest["transaction_id"].to_list()
    assert len(golden.vectors) == len(golden.scores) == MAXIMUM_EVENTS
    corrected = newest.tail(1).with_columns(
        amount_usd=pl.col("amount_usd") + 1, known_at=pl.col("known_at").dt.offset_by("1h")
    )
    assert asked_of(sampled, pl.concat([sampled.events, corrected]), sampled.labels) == golden


def test_answering_them_from_their_states_gives_their_vectors(
    sampled: SampledProduct, golden: GoldenRequests
) -> None:
    features = OnlineFeatures(sampled.product.view, sampled.model.feature_names)
    states = dict(golden.states)
    rows = sampled.events.sort("event_timestamp", "transaction_id").tail(MAXIMUM_EVENTS)
    for row, vector in zip(rows.iter_rows(named=True), golden.vectors, strict=True):
        times = {name: as_microseconds(row[name]) for name in ("event_timestamp", "known_at")}
        event = {**{name: row[name] for name in sampled.product.view.input_columns}, **times}
        keys = features.keys(event)
        answer = features.answer(
            event,
            [states.get(key, b"") for key in keys],
            known_at=times["known_at"],
            empty=states[features.empty_key],
        )
        assert answer.features == vector
        states |= dict(zip(keys, answer.states or (), strict=True))


def test_what_was_known_later_than_the_first_request_is_not_in_the_states(
    sampled: SampledProduct, golden: GoldenRequests
) -> None:
    as_of = sampled.events.sort("event_timestamp", "transaction_id").tail(MAXIMUM_EVENTS)["event_timestamp"][
        0
    ]
    known = (
        sampled.events.filter(pl.col("known_at") < as_of),
        sampled.labels.filter(pl.col("known_at") < as_of),
    )
    assert dict(golden.states) == dict(build_states(sampled.product.view, *known, as_of=as_of))


def test_the_history_that_is_read_gives_the_same_requests_as_all_of_it(
    sampled: SampledProduct, golden: GoldenRequests
) -> None:
    history = golden_history(sampled.product, sampled.events.lazy(), sampled.labels.lazy())
    found = asked_of(sampled, *history)
    assert (found.events, found.vectors, found.scores) == (golden.events, golden.vectors, golden.scores)


def test_a_cohort_is_asked_by_id_without_states() -> None:
    cohort = sampled_product("mortality_risk")
    found = asked_of(cohort, cohort.events.sample(fraction=1, shuffle=True, seed=1), None)
    assert [event["patient_id"] for event in found.events] == sorted(cohort.events["patient_id"])[
        :MAXIMUM_EVENTS
    ]
    assert found.states == ()
    history, labels = golden_history(cohort.product, cohort.events.lazy(), None)
    assert (history.height, labels) == (MAXIMUM_EVENTS, None)


def test_requests_are_json_with_times_in_utc(sampled: SampledProduct) -> None:
    rows = sampled.events.head(2)
    berlin = rows.with_columns(pl.col("event_timestamp").dt.convert_time_zone("Europe/Berlin"))
    assert as_request(berlin).equals(as_request(rows))
    assert all(
        json.loads(json.dumps(event))["event_timestamp"].endswith("Z")
        for event in as_request(rows).to_dicts()
    )


def test_without_an_event_or_without_labels_there_is_nothing_to_ask(sampled: SampledProduct) -> None:
    with pytest.raises(PackagingError, match="at least one event"):
        asked_of(sampled, sampled.events.clear(), sampled.labels)
    with pytest.raises(PackagingError, match="were given none"):
        asked_of(sampled, sampled.events, None)
