"""Rows that a request did not see are named."""

from dataclasses import replace
from datetime import timedelta

import polars as pl

from mlops_assets_tests.support.parity.served_requests import ServedRequests, leading_diagnosis


def test_labels_that_came_a_day_late_are_named(requests: ServedRequests) -> None:
    late = ServedRequests(labels_known=lambda at: (at + timedelta(days=1)).dt.truncate("1d"))
    assert leading_diagnosis(requests, late.served()).startswith("stale label: request ")


def test_events_that_never_reached_the_state_are_named_by_their_ids(requests: ServedRequests) -> None:
    lost = requests.requests["transaction_id"].head(400).sample(2, seed=1)
    is_lost = pl.col("transaction_id").is_in(lost.implode())
    without = requests.replay.events.filter(~is_lost)
    kept = requests.requests.filter(~is_lost)["transaction_id"]
    vectors = requests.served()
    place = requests.requests["transaction_id"].is_in(lost.implode()).not_().arg_true().to_numpy()
    vectors[place] = requests.served(replace(requests.replay, events=without), kept)
    diagnosis = leading_diagnosis(requests, vectors)
    assert diagnosis.startswith("lost event: the state did not hold ")
    assert any(str(event) in diagnosis for event in lost)
