"""The product's own endpoints: predict, explain, and what is released."""

from mlops_assets_tests.support.homes.served_product import Served


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
