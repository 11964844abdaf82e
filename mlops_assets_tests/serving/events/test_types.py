"""The typed request of a product: an event as it was sent, or every fault of it by name."""

import json
from dataclasses import replace
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.catalogue import load_product
from mlops_assets.core.bento.golden_requests import example_event
from mlops_assets.core.errors import PackagingError
from mlops_assets.core.times import as_microseconds
from mlops_assets_tests.support.homes.served_contract import as_served
from serving.events.types import FUTURE_TOLERANCE, EventTypes
from serving.http_errors import Problem, RefusedRequestError
from serving.limits import MAXIMUM_EVENTS, MAXIMUM_PROBLEMS

FRAUD, COHORT = load_product("fraud_detection"), load_product("mortality_risk")
TYPES, COHORT_TYPES = EventTypes(as_served(FRAUD)), EventTypes(as_served(COHORT))
EXAMPLE = dict(example_event(FRAUD))
NOW = 1_767_225_600_000_000  # 2026-01-01


def read(event: Any, types: EventTypes = TYPES, *, received_at: int = NOW) -> tuple[list, bool]:
    return types.read(json.dumps(event).encode(), received_at=received_at)


def problems(event: Any, types: EventTypes = TYPES, *, received_at: int = NOW) -> list[Problem]:
    with pytest.raises(RefusedRequestError) as caught:
        read(event, types, received_at=received_at)
    assert caught.value.status == 422
    return caught.value.refusal.problems


def test_an_event_is_read_as_it_was_sent_with_its_times_in_microseconds() -> None:
    (event,), is_many = read(EXAMPLE)
    assert not is_many
    moment = pl.Series([EXAMPLE["event_timestamp"]]).str.to_datetime(time_unit="us", time_zone="UTC").item()
    assert event == {**EXAMPLE, "event_timestamp": as_microseconds(moment)}
    assert read([EXAMPLE]) == ([event], True)
    assert TYPES.convert([EXAMPLE], received_at=NOW) == [event]


@settings(deadline=None)
@given(st.sets(st.sampled_from(sorted(EXAMPLE))))
def test_every_missing_field_that_a_feature_reads_is_named_at_once(left_out: set[str]) -> None:
    event = {name: value for name, value in EXAMPLE.items() if name not in left_out}
    needed = left_out & set(TYPES.needed)
    if needed:
        assert {problem.field for problem in problems(event)} == needed
    else:
        assert list(read(event)[0][0]) == [name for name in TYPES.names if name in event]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount_usd": -1}, "amount_usd"),
        ({"amount_usd": "1"}, "amount_usd"),
        ({"customer_id": 1.5}, "customer_id"),
        ({"customer_id": 2**63}, "customer_id"),
        ({"event_timestamp": "2026-01-01T00:00:00"}, "event_timestamp"),
        ({"event_timestamp": "yesterday"}, "event_timestamp"),
        ({"is_fraud": 1}, "is_fraud"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_field_is_named_with_the_place_of_its_event(changes: dict[str, Any], field: str) -> None:
    other = {**EXAMPLE, FRAUD.spec.id_column: 1}
    (found,) = problems([other, {**EXAMPLE, **changes}])
    assert (found.field, found.event) == (field, 1)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_refused(number: str) -> None:
    body = json.dumps({**EXAMPLE, "amount_usd": 0.125}).replace("0.125", number).encode()
    with pytest.raises(RefusedRequestError):
        TYPES.read(body, received_at=NOW)


@pytest.mark.parametrize(("beyond", "is_refused"), [(0, False), (1, True)])
def test_a_clients_clock_may_be_a_little_ahead(beyond: int, is_refused: bool) -> None:
    (event,), _ = read(EXAMPLE)
    received_at = event["event_timestamp"] - int(FUTURE_TOLERANCE.total_seconds() * 1e6) - beyond
    if is_refused:
        (found,) = problems(EXAMPLE, received_at=received_at)
        assert (found.field, "5 minutes in the future" in found.message) == ("event_timestamp", True)
    else:
        read(EXAMPLE, received_at=received_at)


def test_an_id_may_come_once_per_request() -> None:
    assert [(one.field, one.event) for one in problems([EXAMPLE, EXAMPLE, EXAMPLE])] == [
        (FRAUD.spec.id_column, 1), (FRAUD.spec.id_column, 2)
    ]  # fmt: skip


def test_a_request_has_some_events_and_not_too_many_and_names_not_too_many_faults() -> None:
    assert problems([])[0].message == "a request needs at least one event"
    with pytest.raises(
        RefusedRequestError, match=f"may have {MAXIMUM_EVENTS} events, this one has {MAXIMUM_EVENTS + 1}"
    ):
        read([EXAMPLE] * (MAXIMUM_EVENTS + 1))
    assert len(problems([{}] * 30)) == MAXIMUM_PROBLEMS
    assert problems([1])[0].message == "an event is a JSON object"


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b"\xff"])
def test_what_is_no_json_is_told_apart_from_a_wrong_event(body: bytes) -> None:
    with pytest.raises(RefusedRequestError) as caught:
        TYPES.read(body, received_at=NOW)
    assert caught.value.status == 400


def test_the_contracts_checks_over_several_columns_hold_for_requests_too() -> None:
    late = {**EXAMPLE, "known_at": "2018-01-01T00:00:00Z"}
    assert "breaks the contract" in problems(late)[0].message


def test_a_value_outside_the_contracts_choices_is_refused() -> None:
    example = example_event(COHORT)
    text = next(name for name, value in example.items() if isinstance(value, str))
    assert [problem.field for problem in problems({**example, text: "no such thing"}, COHORT_TYPES)] == [text]


def test_other_protocols_get_a_type_per_column() -> None:
    found = TYPES.tensor_types()
    assert (found["customer_id"], found["amount_usd"], found["event_timestamp"]) == ("INT64", "FP64", "BYTES")
    assert set(found) == set(TYPES.names)


def test_a_column_that_no_json_value_can_carry_is_refused_when_the_service_starts() -> None:
    class Odd(pa.DataFrameModel):
        transaction_id: pl.Int64
        amount_usd: pl.List(pl.Int64)  # type: ignore[valid-type]

    with pytest.raises(PackagingError, match="column amount_usd has type List"):
        EventTypes(as_served(replace(FRAUD, event_schema=Odd)))
