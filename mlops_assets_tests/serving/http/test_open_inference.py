"""The Open Inference Protocol, asked by a client of others: Triton's."""

from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from mlops_assets_tests.support.homes.served_product import Served

NUMPY = {"INT64": np.int64, "FP64": np.float64, "BYTES": np.object_}


@pytest.fixture
def client(either: Served) -> triton.InferenceServerClient:
    return triton.InferenceServerClient(either.url.removeprefix("http://"))


def tensors(
    served: Served, events: list[dict[str, object]], metadata: dict[str, Any], *, binary: bool
) -> list[triton.InferInput]:
    """One tensor per column that all events have; in binary a missing number is NaN."""
    found = []
    for column in metadata["inputs"]:
        values = [event.get(column["name"]) for event in events]
        is_text = column["datatype"] == "BYTES"
        if any(value is None for value in values) and (is_text or column["datatype"] == "INT64"):
            continue
        tensor = triton.InferInput(column["name"], [len(events)], column["datatype"])
        array = np.array([np.nan if value is None else value for value in values], NUMPY[column["datatype"]])
        tensor.set_data_from_numpy(array, binary_data=binary)
        found.append(tensor)
    return found


def complete(served: Served, count: int) -> list[dict[str, object]]:
    """Golden events without a null, since not every tensor can carry one."""
    whole = [event for event in served.golden.events if None not in event.values()]
    needed = served.sampled.product.view.input_columns
    return (whole or [e for e in served.golden.events if all(e.get(c) is not None for c in needed)])[:count]


def test_a_client_finds_server_and_model_alive_and_ready(
    either: Served, client: triton.InferenceServerClient
) -> None:
    name = either.sampled.product.name
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(name)
    assert client.is_model_ready(name, "3")
    assert not client.is_model_ready("another")
    assert client.get_server_metadata()["name"] == name


def test_the_metadata_names_every_column_and_every_answer(
    either: Served, client: triton.InferenceServerClient
) -> None:
    metadata = client.get_model_metadata(either.sampled.product.name)
    assert metadata["versions"] == ["3"]
    inputs = {entry["name"]: entry["datatype"] for entry in metadata["inputs"]}
    assert set(either.golden.events[0]) <= set(inputs)
    assert {"name": "score", "datatype": "FP64", "shape": [-1]} in metadata["outputs"]


@pytest.mark.parametrize("binary", [True, False])
def test_tensors_get_the_scores_that_events_get(
    either: Served, client: triton.InferenceServerClient, binary: bool
) -> None:
    name = either.sampled.product.name
    events = complete(either, 5)
    assert events
    answers = either.predict(events).json()
    inputs = tensors(either, events, client.get_model_metadata(name), binary=binary)
    result = client.infer(name, inputs, request_id="seventeen")
    assert result.get_response()["id"] == "seventeen"
    np.testing.assert_array_equal(result.as_numpy("score"), [answer["score"] for answer in answers])
    np.testing.assert_array_equal(result.as_numpy("decision"), [answer["decision"] for answer in answers])


def test_only_the_outputs_that_were_asked_for_are_answered(
    either: Served, client: triton.InferenceServerClient
) -> None:
    name = either.sampled.product.name
    inputs = tensors(either, complete(either, 1), client.get_model_metadata(name), binary=False)
    result = client.infer(name, inputs, outputs=[triton.InferRequestedOutput("score", binary_data=False)])
    assert [output["name"] for output in result.get_response()["outputs"]] == ["score"]


def test_a_missing_number_is_nan_in_binary(mortality: Served) -> None:
    client = triton.InferenceServerClient(mortality.url.removeprefix("http://"))
    event = next(
        event
        for event in mortality.golden.events
        if event["serum_albumin_g_dl"] is None
        and all(event.get(name) is not None for name in ("coma_score", "cancer_status", "disease_group"))
    )
    answer = mortality.predict(event).json()
    inputs = tensors(mortality, [event], client.get_model_metadata("mortality_risk"), binary=True)
    result = client.infer("mortality_risk", inputs)
    np.testing.assert_array_equal(result.as_numpy("score"), [answer["score"]])


def spoilt(name: str, tensor: triton.InferInput) -> triton.InferInput:
    kinds = {
        "type": triton.InferInput(tensor.name(), [1], "FP32"),
        "name": triton.InferInput("unknown", [1], "FP64"),
        "shape": triton.InferInput(tensor.name(), [1], tensor.datatype()),
    }
    wrong = kinds[name]
    dtype = {"FP32": np.float32}.get(wrong.datatype(), NUMPY.get(wrong.datatype()))
    wrong.set_data_from_numpy(np.array([1.0], dtype), binary_data=False)
    if name == "shape":
        wrong.set_shape([2])
    return wrong


@pytest.mark.parametrize("fault", ["type", "name", "shape"])
def test_a_wrong_tensor_is_named(fraud: Served, fault: str) -> None:
    client = triton.InferenceServerClient(fraud.url.removeprefix("http://"))
    amount = next(
        tensor
        for tensor in tensors(
            fraud, complete(fraud, 1), client.get_model_metadata("fraud_detection"), binary=False
        )
        if tensor.name() == "amount_usd"
    )
    wrong = spoilt(fault, amount)
    with pytest.raises(InferenceServerException, match=wrong.name()) as caught:
        client.infer("fraud_detection", [wrong])
    assert caught.value.status() == "400"


def test_a_value_that_breaks_the_contract_is_refused_in_the_protocols_words(fraud: Served) -> None:
    answer = fraud.client.post(
        "/v2/models/fraud_detection/infer",
        json={"inputs": [{"name": "amount_usd", "shape": [1], "datatype": "FP64", "data": [-1.0]}]},
    )
    assert answer.status_code == 422
    assert "amount_usd" in answer.json()["error"]
    assert fraud.client.get("/v2/models/another").json()["error"]
