"""The service of each product over HTTP, in a bento's own process."""

import pytest

from mlops_assets.core.features.offline.executor import compute_features
from mlops_assets_tests.support.served_product import Served


def test_an_event_sent_again_gets_the_same_answer_and_another_content_under_its_id_a_conflict(
    fraud: Served,
) -> None:
    event = fraud.event()
    first, again = fraud.predict(event), fraud.predict(event)
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    other = fraud.predict({**event, "amount_usd": 1.25})
    assert other.status_code == 409
    assert other.json()["problems"][0]["field"] == "transaction_id"


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


def test_a_list_gets_a_list_and_an_event_sees_those_before_it(fraud: Served) -> None:
    first = fraud.event(customer_id=555_555, terminal_id=555_555)
    identity = int(str(first["transaction_id"]))
    at = {"event_timestamp": "2026-01-01T00:00:00Z", "known_at": "2026-01-01T00:00:00Z"}
    earlier, later = {**first, **at}, {**first, "transaction_id": identity + 1, "amount_usd": 2.0}
    later |= {"event_timestamp": "2026-01-01T00:00:01Z", "known_at": "2026-01-01T00:00:01Z"}
    answers = fraud.predict([earlier, later]).json()
    assert [answer["event_id"] for answer in answers] == [identity, identity + 1]
    counts = [
        dict(zip(fraud.sampled.model.feature_names, record.features, strict=True))[
            "customer_transaction_count_1d"
        ]
        for record in fraud.captured()[-2:]
    ]
    assert counts == [1.0, 2.0]


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


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"", 400), (b"not json", 400), (b"\xff\xfe", 400), (b"[" * 50_000, 400), (b"[1]", 422), (b"[]", 422)],
)
def test_a_body_that_is_no_event_is_refused(fraud: Served, content: bytes, status: int) -> None:
    answer = fraud.client.post("/predict", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert answer.json()["message"]


def test_ids_that_come_twice_in_a_request_are_refused(fraud: Served) -> None:
    event = fraud.event()
    answer = fraud.predict([event, event])
    assert answer.status_code == 422
    assert answer.json()["problems"] == [
        {"message": "the id comes twice in this request", "field": "transaction_id", "event": 1}
    ]


def test_too_many_events_and_too_large_a_body_are_refused(fraud: Served) -> None:
    assert fraud.predict([fraud.event(transaction_id=number) for number in range(1001)]).status_code == 422
    content = b" " * 1_048_577
    headers = {"Content-Type": "application/json"}
    assert fraud.client.post("/predict", content=content, headers=headers).status_code == 413
    chunks = (content[start : start + 65_536] for start in range(0, len(content), 65_536))
    assert fraud.client.post("/predict", content=chunks, headers=headers).status_code == 413


def test_another_content_type_and_another_method_are_refused(fraud: Served) -> None:
    assert fraud.client.post("/predict", content=b"{}").status_code == 415
    assert (
        fraud.client.post("/predict", content=b"{}", headers={"Content-Type": "text/csv"}).status_code == 415
    )
    answer = fraud.client.get("/predict")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert fraud.client.get("/unknown").status_code == 404


def test_an_explanation_sums_to_the_log_odds_and_changes_nothing(either: Served) -> None:
    event = either.event()
    before = len(either.captured())
    explained = either.client.post("/explain", json=event).json()
    assert len(either.captured()) == before
    assert {one["feature"] for one in explained["contributions"]} == set(either.sampled.model.feature_names)
    answer = either.predict(event).json()
    assert (explained["score"], explained["version"]) == (answer["score"], answer["version"])
    captured = either.client.post("/explain", json={"prediction_id": answer["prediction_id"]}).json()
    assert captured["prediction_id"] == answer["prediction_id"]
    assert captured["contributions"] == explained["contributions"]


def test_an_unknown_prediction_is_404_and_says_where_predictions_go(fraud: Served) -> None:
    answer = fraud.client.post("/explain", json={"prediction_id": "v1-1-00000000"})
    assert answer.status_code == 404
    assert "fraud_detection/served_predictions" in answer.json()["message"]


def test_the_model_says_what_is_released(either: Served) -> None:
    answer = either.client.get("/model").json()
    product = either.sampled.product
    assert (answer["product"], answer["mode"], answer["plan_sequence"]) == (product.name, "bento", 0)
    (arm,) = answer["arms"]
    assert (arm["version"], arm["role"], arm["percent"]) == (3, "champion", 100)
    assert arm["digest"] == either.sampled.model.digest
    assert [feature["name"] for feature in answer["features"]] == list(either.sampled.model.feature_names)
    assert answer["libraries"]["lightgbm"]


def test_health_answers_and_metrics_count_what_was_answered(fraud: Served) -> None:
    assert fraud.client.get("/livez").status_code == fraud.client.get("/readyz").status_code == 200

    def count(metric: str) -> float:
        lines = fraud.client.get("/metrics").text.splitlines()
        return float(next(line.rsplit(" ", 1)[1] for line in lines if line.startswith(metric)))

    answered = 'mlops_requests_total{endpoint="/predict",product="fraud_detection",status="200"}'
    scored = 'mlops_predictions_total{outcome="score",product="fraud_detection",role="champion",version="3"}'
    fraud.predict(fraud.event())
    before = count(answered), count(scored)
    fraud.predict(fraud.event())
    assert (count(answered), count(scored)) == (before[0] + 1, before[1] + 1)


def test_the_openapi_page_describes_every_column_with_an_example(either: Served) -> None:
    page = either.client.get("/docs.json").json()
    event = page["components"]["schemas"]["Event"]
    assert set(event["properties"]) >= set(either.golden.events[0])
    assert all(column["description"] for column in event["properties"].values())
    example = page["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    assert either.predict(example["one"]["value"]).status_code in (200, 422)  # 422: older than the state
    assert either.client.get("/").status_code == 200
