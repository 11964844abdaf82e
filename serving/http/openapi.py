"""The OpenAPI page of the service, made from the same types that requests and answers are read and written with."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from serving.events.types import EventTypes
from serving.http.api_keys import OPEN_PATHS
from serving.http.open_inference import InferRequest
from serving.http.responses import Explanation, Prediction, Release
from serving.http_errors import Refusal
from serving.limits import MAXIMUM_EVENTS

_REFERENCE = "#/components/schemas/{name}"
_SCHEME = "ApiKey"
_REFUSALS = {
    400: "The body is no JSON.",
    401: "There is no API key, or none that opens.",
    404: "There is no such path, prediction, model or version.",
    405: "The path does not take this method.",
    408: "The body did not come in time.",
    409: "The event's id is known, with another content.",
    413: "The body is too large.",
    415: "The content type is not application/json.",
    422: "Fields are wrong; `problems` names them.",
    431: "The request has too many headers.",
    503: "The online store or the model cannot serve now; nothing was recorded.",
}


def openapi_document(
    *,
    title: str,
    description: str,
    version: str,
    product: str,
    types: EventTypes,
    example: Mapping[str, object],
    asks_for_keys: bool = False,
) -> dict[str, Any]:
    """Return the document, OpenAPI 3.1.

    title, description, version: of the document. product: whose endpoints. types: of an event in a request. example: an
    event as a request sends it. asks_for_keys: whether all but `OPEN_PATHS` need an API key.
    """
    answers = [types.event_type, Prediction, Explanation, Release, Refusal, InferRequest]
    _, schemas = msgspec.json.schema_components(answers, ref_template=_REFERENCE)
    event = {"$ref": _REFERENCE.format(name="Event")}
    prediction = {"$ref": _REFERENCE.format(name="Prediction")}
    schemas["CapturedPrediction"] = {
        "type": "object",
        "properties": {"prediction_id": {"type": "string", "description": "As /predict answered it."}},
        "required": ["prediction_id"],
        "additionalProperties": False,
    }
    many = {"type": "array", "items": event, "minItems": 1, "maxItems": MAXIMUM_EVENTS}
    paths = {
        "/predict": _post(
            "Score one event, or a list of them; each is captured before the answer is sent.",
            {"oneOf": [event, many]},
            {"oneOf": [prediction, {"type": "array", "items": prediction}]},
            examples={"one": example, "many": [example]},
            refusals=(400, 408, 409, 413, 415, 422, 431, 503),
        ),
        "/explain": _post(
            "Tell what each feature adds to an event's score, or to a captured prediction's.",
            {"oneOf": [event, {"$ref": _REFERENCE.format(name="CapturedPrediction")}]},
            {"$ref": _REFERENCE.format(name="Explanation")},
            examples={"event": example},
            refusals=(400, 404, 408, 409, 413, 415, 422, 431, 503),
        ),
        "/model": _get(
            "Tell what is released, since when, by whom and why.", {"$ref": _REFERENCE.format(name="Release")}
        ),
        **_protocol(product, types, example),
        **_operation(),
    }
    document = {
        "openapi": "3.1.0",
        "info": {"title": title, "description": description, "version": version},
        "paths": paths,
        "components": {"schemas": schemas},
    }
    return _closed(document, product) if asks_for_keys else document


def _closed(document: dict[str, Any], product: str) -> dict[str, Any]:
    """Return the document with what it says of API keys."""
    scheme = {"type": "http", "scheme": "bearer", "description": "A key of `mlops keys create`."}
    for path, methods in document["paths"].items():
        is_protocol = path == "/v2" or path.startswith(f"/v2/models/{product}")
        shape: dict[str, Any] = (
            {"type": "object"} if is_protocol else {"$ref": _REFERENCE.format(name="Refusal")}
        )
        content = {"application/json": {"schema": shape}}
        refusals = {
            str(status): {"description": _REFUSALS[status], "content": content} for status in (401, 503)
        }
        for operation in methods.values():
            if path in OPEN_PATHS:
                operation["security"] = []
            else:
                operation["responses"] = {**refusals, **operation["responses"]}
    components = {**document["components"], "securitySchemes": {_SCHEME: scheme}}
    return {**document, "components": components, "security": [{_SCHEME: []}]}


def _protocol(product: str, types: EventTypes, example: Mapping[str, object]) -> dict[str, Any]:
    tensors = [
        {"name": name, "datatype": kind, "shape": [1], "data": [example[name]]}
        for name, kind in types.tensor_types().items()
        if name in example
    ]
    anything: dict[str, Any] = {"type": "object"}
    model = f"/v2/models/{product}"
    return {
        "/v2": _get("Open Inference Protocol: this server.", anything),
        "/v2/health/live": _get("Open Inference Protocol: the process answers.", anything),
        "/v2/health/ready": _get(
            "Open Inference Protocol: model and store answer.", anything, refusals=(503,)
        ),
        model: _get("Open Inference Protocol: the model's inputs and outputs.", anything),
        f"{model}/ready": _get("Open Inference Protocol: model and store answer.", anything, refusals=(503,)),
        f"{model}/infer": _post(
            "Open Inference Protocol: score events given as one tensor per column.",
            {"$ref": _REFERENCE.format(name="InferRequest")},
            anything,
            examples={"one": {"inputs": tensors}},
            refusals=(400, 408, 409, 413, 415, 422, 431, 503),
            refusal=anything,
        ),
    }


def _operation() -> dict[str, Any]:
    text = {"200": {"description": "OK", "content": {"text/plain": {"schema": {"type": "string"}}}}}
    unready = {"503": {"description": "The service is not ready."}}
    return {
        "/livez": {"get": {"summary": "The process answers.", "responses": text}},
        "/readyz": {"get": {"summary": "Model and store answer.", "responses": text | unready}},
        "/metrics": {"get": {"summary": "Prometheus metrics of all workers.", "responses": text}},
    }


def _get(summary: str, answer: dict[str, Any], *, refusals: Sequence[int] = ()) -> dict[str, Any]:
    return {"get": {"summary": summary, "responses": _responses(answer, refusals, None)}}


def _post(
    summary: str,
    body: dict[str, Any],
    answer: dict[str, Any],
    *,
    examples: Mapping[str, object],
    refusals: Sequence[int],
    refusal: dict[str, Any] | None = None,
) -> dict[str, Any]:
    shown = {name: {"value": value} for name, value in examples.items()}
    content = {"application/json": {"schema": body, "examples": shown}}
    return {
        "post": {
            "summary": summary,
            "requestBody": {"required": True, "content": content},
            "responses": _responses(answer, refusals, refusal),
        }
    }


def _responses(
    answer: dict[str, Any], refusals: Sequence[int], refusal: dict[str, Any] | None
) -> dict[str, Any]:
    wrong = refusal or {"$ref": _REFERENCE.format(name="Refusal")}
    responses = {"200": {"description": "OK", "content": {"application/json": {"schema": answer}}}}
    for status in refusals:
        responses[str(status)] = {
            "description": _REFUSALS[status],
            "content": {"application/json": {"schema": wrong}},
        }
    return responses
