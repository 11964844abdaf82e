"""The service of each product over HTTP, in a bento's own process."""

import pytest

from mlops_assets.core.features.offline.executor import compute_features
from mlops_assets_tests.support.homes.served_product import Served


def test_every_answer_was_captured_with_its_features(either: Served) -> None:
    event = either.event()
    answer = either.predict(event).json()
    record = either.captured()[-1]
    assert record.prediction_id == answer["prediction_id"]
    assert (record.score, record.decision, record.version) == (
        answer["score"],
        answer["decision"],
        answer["version"],
    )
    assert answer["decision"] == int(answer["score"] >= answer["threshold"])
    assert len(record.features) == len(either.sampled.model.feature_names)


def test_a_new_entity_gets_the_declared_default_of_empty_windows(fraud: Served) -> None:
    assert fraud.predict(fraud.event(customer_id=987_654, terminal_id=876_543)).status_code == 200
    features = dict(zip(fraud.sampled.model.feature_names, fraud.captured()[-1].features, strict=True))
    assert features["customer_transaction_count_30d"] == 1.0
    assert features["terminal_fraud_share_30d"] == 0.0
    assert features["customer_usual_amount_60d"] is None


def test_a_cohorts_answer_is_that_of_the_offline_executor(mortality: Served) -> None:
    sampled = mortality.sampled
    rows = sampled.events.head(40)
    answers = mortality.predict([dict(event) for event in mortality.golden.events[:40]]).json()
    offline = sampled.model.predict(compute_features(sampled.product.view, rows.sort("patient_id"), None))
    assert [answer["score"] for answer in answers] == offline.tolist()


FRAUD_FAULTS = [
    ({"amount_usds": 1.0}, "amount_usds"),
    ({"amount_usd": "12"}, "amount_usd"),
    ({"amount_usd": True}, "amount_usd"),
    ({"amount_usd": None}, "amount_usd"),
    ({"amount_usd": float("nan")}, "amount_usd"),
    ({"amount_usd": float("-inf")}, "amount_usd"),
    ({"amount_usd": 10**400}, "amount_usd"),
    ({"amount_usd": 50_000.01}, "amount_usd"),
    ({"amount_usd": -0.01}, "amount_usd"),
    ({"customer_id": [1]}, "customer_id"),
    ({"customer_id": 2**63}, "customer_id"),
    ({"transaction_id": 1.5}, "transaction_id"),
    ({"event_timestamp": "yesterday"}, "event_timestamp"),
    ({"event_timestamp": "2026-01-01T00:00:00"}, "event_timestamp"),
    ({"event_timestamp": "2999-01-01T00:00:00Z"}, "event_timestamp"),
    ({"event_timestamp": "1999-01-01T00:00:00Z", "known_at": "1999-01-01T00:00:00Z"}, "event_timestamp"),
    ({"known_at": "2999-01-01T00:00:00Z"}, "known_at"),
    ({"is_fraud": 1}, "is_fraud"),
]


@pytest.mark.parametrize(("changes", "named"), FRAUD_FAULTS)
def test_a_wrong_field_is_named_with_its_event(fraud: Served, changes: dict[str, object], named: str) -> None:
    before = len(fraud.captured())
    event = fraud.event()
    answer = fraud.predict([event, {**event, "transaction_id": 7, **changes}])
    assert answer.status_code == 422
    assert [(problem["field"], problem["event"]) for problem in answer.json()["problems"]] == [(named, 1)]
    assert len(fraud.captured()) == before


def test_a_time_of_knowing_before_the_event_breaks_the_contract(fraud: Served) -> None:
    answer = fraud.predict(fraud.event(known_at="2001-01-01T00:00:00Z"))
    assert answer.status_code == 422
    assert "known_after_it_happened" in answer.json()["problems"][0]["message"]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"sex": "m"}, "sex"),
        ({"age_years": 17.9}, "age_years"),
        ({"age_years": None}, "age_years"),
        ({"has_diabetes": 2}, "has_diabetes"),
        ({"disease_group": "flu"}, "disease_group"),
        ({"died": 1}, "died"),
    ],
)
def test_a_wrong_field_of_a_cohort_is_named(
    mortality: Served, changes: dict[str, object], named: str
) -> None:
    answer = mortality.predict(mortality.event(**changes))
    assert answer.status_code == 422
    assert [problem["field"] for problem in answer.json()["problems"]] == [named]


def test_every_missing_field_is_named_at_once(fraud: Served) -> None:
    answer = fraud.predict({})
    assert answer.status_code == 422
    assert [problem["field"] for problem in answer.json()["problems"]] == [
        "transaction_id",
        "event_timestamp",
        "customer_id",
        "terminal_id",
        "amount_usd",
    ]


def test_ids_that_come_twice_in_a_request_are_refused(fraud: Served) -> None:
    event = fraud.event()
    answer = fraud.predict([event, event])
    assert answer.status_code == 422
    assert answer.json()["problems"] == [
        {"message": "the id comes twice in this request", "field": "transaction_id", "event": 1}
    ]


def test_the_openapi_page_describes_every_column_with_an_example(either: Served) -> None:
    page = either.client.get("/docs.json").json()
    event = page["components"]["schemas"]["Event"]
    assert set(event["properties"]) >= set(either.golden.events[0])
    assert all(column["description"] for column in event["properties"].values())
    example = page["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    assert either.predict(example["one"]["value"]).status_code in (200, 422)  # 422: older than the state
    assert either.client.get("/").status_code == 200
