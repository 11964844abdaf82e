"""The simulator follows the published specification, and every day stands alone."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.products.fraud_detection.simulator import (
    TRANSACTION_SCHEMA,
    Simulation,
    populate,
    simulate,
    simulate_day,
    terminals_within,
)

START = date(2018, 4, 1)
SMALL = Simulation(customers=300, terminals=600, days=60, seed=5)


@pytest.fixture(scope="module")
def published() -> pl.DataFrame:
    return simulate(Simulation(), start=START, end=date(2018, 10, 1))


@pytest.fixture(scope="module")
def small() -> pl.DataFrame:
    return simulate(SMALL, start=START, end=START + timedelta(days=SMALL.days))


def test_the_published_size_has_the_published_number_of_transactions_and_share_of_frauds(published):
    assert published.height == pytest.approx(1_754_155, rel=0.05)
    assert published["is_fraud"].mean() == pytest.approx(14_681 / 1_754_155, rel=0.1)
    counts = dict(published.filter(is_fraud=1)["fraud_scenario"].value_counts().iter_rows())
    assert counts[1] == pytest.approx(973, rel=0.25)
    assert counts[2] == pytest.approx(9_077, rel=0.1)
    assert counts[3] == pytest.approx(4_631, rel=0.1)


def test_a_day_is_the_same_alone_in_a_range_and_without_the_days_before_it(small):
    alone = simulate_day(SMALL, 41)
    day = pl.col("event_timestamp").dt.date() == START + timedelta(days=41)
    assert alone.equals(small.filter(day))
    assert alone.equals(simulate(SMALL, start=START + timedelta(days=41), end=START + timedelta(days=42)))


def test_another_seed_gives_other_transactions_and_the_same_seed_the_same(small):
    other = Simulation(customers=300, terminals=600, days=60, seed=6)
    assert not simulate_day(other, 3).equals(simulate_day(SMALL, 3))
    again = Simulation(customers=300, terminals=600, days=60, seed=5)
    assert simulate_day(again, 3).equals(simulate_day(SMALL, 3))


def test_days_outside_the_simulation_have_no_transactions():
    before = simulate(SMALL, start=date(2018, 3, 1), end=START)
    after = simulate(SMALL, start=START + timedelta(days=60), end=START + timedelta(days=70))
    assert before.is_empty() and after.is_empty()
    assert before.schema == after.schema == TRANSACTION_SCHEMA


def test_ids_are_unique_times_are_whole_seconds_in_order_and_amounts_are_cents(small):
    assert small["transaction_id"].is_unique().all()
    assert small["event_timestamp"].is_sorted()
    assert (small["event_timestamp"].dt.microsecond() == 0).all()
    assert small["event_timestamp"].min() >= datetime(2018, 4, 1, tzinfo=UTC)
    assert small["amount_usd"].equals(small["amount_usd"].round(2))
    assert (small["amount_usd"] >= 0).all()


def test_every_transaction_is_at_a_terminal_that_its_customer_reaches(small):
    population = populate(SMALL)
    for customer, terminal in small.select("customer_id", "terminal_id").unique().iter_rows():
        within = population.reachable[population.offsets[customer] : population.offsets[customer + 1]]
        assert terminal in within


def test_customers_without_a_terminal_in_reach_make_no_transaction():
    lonely = Simulation(customers=200, terminals=3, days=5)
    reach = np.diff(populate(lonely).offsets)
    customers = set(simulate(lonely, start=START, end=START + timedelta(days=5))["customer_id"])
    assert (reach == 0).any()
    assert customers <= set(np.flatnonzero(reach > 0).tolist())


def test_genuine_amounts_above_220_are_fraud_and_scenarios_say_why(small):
    assert (small.filter(pl.col("amount_usd") > 220)["is_fraud"] == 1).all()
    assert (small.filter(fraud_scenario=1)["amount_usd"] > 220).all()
    assert small.filter(fraud_scenario=0)["is_fraud"].sum() == 0
    assert (small.filter(pl.col("fraud_scenario") > 0)["is_fraud"] == 1).all()


def test_a_compromised_terminal_has_only_frauds_from_its_first_to_its_last(published):
    days = published.with_columns(day=pl.col("event_timestamp").dt.date())
    spans = (
        days.filter(fraud_scenario=2)
        .group_by("terminal_id")
        .agg(first=pl.col("day").min(), last=pl.col("day").max())
        .filter(pl.col("last") - pl.col("first") < timedelta(days=28))
    )
    inside = days.join(spans, on="terminal_id").filter(pl.col("day").is_between("first", "last"))
    assert spans.height > 200
    assert (inside["is_fraud"] == 1).all()
    assert spans.select((pl.col("last") - pl.col("first")).max()).item() == timedelta(days=27)


def test_a_third_of_a_compromised_customers_transactions_are_fraud_at_five_times_the_amount(published):
    days = published.with_columns(day=pl.col("event_timestamp").dt.date())
    spans = (
        days.filter(fraud_scenario=3)
        .group_by("customer_id")
        .agg(first=pl.col("day").min(), last=pl.col("day").max(), frauds=pl.len())
        .filter(pl.col("last") - pl.col("first") == timedelta(days=13))
    )
    inside = days.join(spans, on="customer_id").filter(
        pl.col("day").is_between("first", "last", closed="none"), pl.col("fraud_scenario").is_in([0, 3])
    )
    assert inside.filter(fraud_scenario=3).height / inside.height == pytest.approx(1 / 3, abs=0.05)
    means = dict(inside.group_by("is_fraud").agg(pl.col("amount_usd").mean()).iter_rows())
    assert means[1] / means[0] == pytest.approx(5, rel=0.1)


@settings(max_examples=40, deadline=None)
@given(
    customers=st.integers(0, 30),
    terminals=st.integers(0, 60),
    radius=st.sampled_from([0.5, 5.0, 7.3, 33.4, 60.0, 150.0]),
    seed=st.integers(0, 1000),
)
def test_terminals_in_reach_equal_those_found_by_comparing_all_pairs(customers, terminals, radius, seed):
    rng = np.random.default_rng(seed)
    places = [rng.uniform(0, 100, (count, 2)) for count in (customers, terminals)]
    offsets, reachable = terminals_within(*places, radius=radius)
    for number, place in enumerate(places[0]):
        near = np.flatnonzero(np.square(places[1] - place).sum(axis=1) < radius**2)
        assert reachable[offsets[number] : offsets[number + 1]].tolist() == near.tolist()
    assert len(offsets) == customers + 1
