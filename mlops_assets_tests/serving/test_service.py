"""The scoring service over HTTP, in a bento's own process."""

import json
from collections.abc import Iterator

import httpx
import numpy as np
import pytest

from mlops_assets.core.model import TrainedModel
from mlops_assets.core.smoke_test import served
from mlops_assets_tests.core.small_bento import small_bento
from mlops_assets_tests.core.small_model import FEATURES, small_model, small_rows

ROW = {"amount_usd": 120.5, "night": 1, "terminal_fraud_share": 0.25}


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    return small_model()


@pytest.fixture(scope="module")
def client(model: TrainedModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    bento = small_bento(model, tmp_path_factory.mktemp("bentoml"))
    with (
        served(bento, timeout_seconds=120) as server,
        httpx.Client(base_url=server.url, timeout=30) as client,
    ):
        yield client


def test_many_rows_get_the_models_probabilities_in_their_order(
    client: httpx.Client, model: TrainedModel
) -> None:
    rows = small_rows(seed=8)
    answer = client.post("/score", json={"rows": rows.select(FEATURES).to_dicts()}).json()
    np.testing.assert_array_equal(answer["probabilities"], model.predict(rows))
    assert (answer["product"], answer["version"], answer["digest"]) == ("fraud_detection", 3, model.digest)


def test_a_missing_value_is_null_and_changes_the_score(client: httpx.Client) -> None:
    answer = client.post("/score", json={"rows": [ROW, {**ROW, "terminal_fraud_share": None}]})
    known, missing = answer.json()["probabilities"]
    assert known != missing


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"rows": [{**ROW, "terminal_fraud_shares": 0.1}]}, "terminal_fraud_shares"),
        ({"rows": [ROW, {name: ROW[name] for name in FEATURES[:2]}]}, "terminal_fraud_share"),
        ({"rows": [{**ROW, "amount_usd": "120.5"}]}, "amount_usd"),
        ({"rows": [{**ROW, "amount_usd": True}]}, "amount_usd"),
        ({"rows": [{**ROW, "amount_usd": float("nan")}]}, "amount_usd"),
        ({"rows": [{**ROW, "amount_usd": float("-inf")}]}, "amount_usd"),
        ({"rows": [{**ROW, "amount_usd": 10**400}]}, "amount_usd"),
        ({"rows": [{**ROW, "night": [1]}]}, "night"),
        ({"rows": []}, "rows"),
        ({"rows": [ROW] * 1001}, "rows"),
        ({"rows": [ROW], "model": "newest"}, "model"),
        ({}, "rows"),
    ],
)
def test_bad_input_is_refused_and_the_field_is_named(client: httpx.Client, body: object, named: str) -> None:
    content = json.dumps(body)  # httpx refuses to write NaN by itself
    answer = client.post("/score", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert any(named in problem["loc"] for problem in answer.json()["detail"])


@pytest.mark.parametrize("content", [b"", b"not json", b"[1]", b"\xff\xfe"])
def test_a_body_that_is_no_object_is_refused(client: httpx.Client, content: bytes) -> None:
    answer = client.post("/score", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_model_says_what_it_is(client: httpx.Client, model: TrainedModel, method: str) -> None:
    answer = client.request(method, "/model").json()
    assert (answer["product"], answer["version"], answer["digest"]) == ("fraud_detection", 3, model.digest)
    assert answer["features"] == list(FEATURES)
    assert answer["libraries"]["lightgbm"]


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_health_and_metrics_answer(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 200


def test_the_openapi_page_describes_every_feature(client: httpx.Client) -> None:
    page = client.get("/docs.json").json()
    row = next(schema for name, schema in page["components"]["schemas"].items() if "FeatureVector" in name)
    assert list(row["properties"]) == list(FEATURES)
    assert row["properties"]["night"]["description"] == "Describes night. Null: not known."
    assert set(row["required"]) == set(FEATURES)
