"""The Open Inference Protocol, version 2, over HTTP: how KServe's and Triton's clients ask.

A request's inputs are the event's columns, one tensor each, with a value per event; the outputs are the predictions'
fields. So it goes the same way as /predict: contract, features, routing, capture. Source: the protocol's REST
specification (kserve/open-inference-protocol) and Triton's binary tensor data extension.
"""

import math
import struct
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from mlops_assets.core.errors import ServingError
from mlops_assets.core.serving.scoring import OnlineScoring
from serving.events.repeated_names import require_distinct_names
from serving.events.types import EventTypes, check_count
from serving.http.app import UNKNOWN, Endpoint, Handler, HttpAnswer, HttpRequest
from serving.http.responses import Prediction
from serving.http_errors import Problem, RefusedRequestError, refused
from serving.limits import MAXIMUM_ID
from serving.scoring_lane import ScoringLane

PLATFORM = "lightgbm"
HEADER_LENGTH = b"inference-header-content-length"
"""Bytes of JSON before the binary tensors."""
OUTPUTS = {
    "prediction_id": "BYTES",
    "score": "FP64",
    "decision": "INT64",
    "threshold": "FP64",
    "version": "INT64",
    "role": "BYTES",
}
_LENGTH_DIGITS = 10
_NUMBERS = {"FP64": np.dtype("<f8"), "INT64": np.dtype("<i8"), "BOOL": np.dtype("?")}


class InputTensor(msgspec.Struct):
    """One column of the events."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any] | None = None
    parameters: dict[str, Any] = {}


class OutputRequest(msgspec.Struct):
    """One field of the predictions that is asked for."""

    name: str
    parameters: dict[str, Any] = {}


class InferRequest(msgspec.Struct):
    """A request of the protocol; fields that it does not know are refused by none of its servers."""

    inputs: list[InputTensor]
    id: str | None = None
    outputs: list[OutputRequest] | None = None
    parameters: dict[str, Any] = {}


class OpenInference:
    """The protocol's endpoints of one product, whose model has the product's name."""

    def __init__(
        self,
        product: str,
        *,
        version: str,
        types: EventTypes,
        lane: ScoringLane,
        is_ready: Callable[[], Awaitable[bool]],
    ) -> None:
        """`version` is the server's own: that of the bento."""
        self._product = product
        self._version = version
        self._types = types
        self._lane = lane
        self._is_ready = is_ready
        self._inputs = types.tensor_types()
        self._decoder = msgspec.json.Decoder(InferRequest)

    def routes(self) -> Mapping[str, Endpoint]:
        """Return the endpoints without variable parts."""
        return {
            "/v2": Endpoint("/v2", {"GET": self._server}, _error_body),
            "/v2/health/live": Endpoint("/v2/health/live", {"GET": _live}, _error_body),
            "/v2/health/ready": Endpoint("/v2/health/ready", {"GET": self._ready}, _error_body),
        }

    def find(self, path: str) -> Endpoint | None:
        """Return the endpoint of /v2/models/NAME[/versions/VERSION][/ready|/infer], and one for all other paths of the
        protocol.
        """
        if not path.startswith("/v2/models/"):
            return _UNKNOWN if path.startswith("/v2/") else None
        name, *rest = path.removeprefix("/v2/models/").split("/")
        version = None
        if len(rest) >= 2 and rest[0] == "versions":
            version, rest = rest[1], rest[2:]
        actions: dict[str, tuple[str, Callable[[HttpRequest, str | None], Any]]] = {
            "": ("GET", self._model),
            "ready": ("GET", self._model_ready),
            "infer": ("POST", self._infer),
        }
        action = "/".join(rest)
        if action not in actions:
            return _UNKNOWN
        method, answer = actions[action]
        label = "/v2/models/{name}" + (f"/{action}" if action else "")
        return Endpoint(label, {method: self._for_model(name, version, answer)}, _error_body)

    def _for_model(
        self, name: str, version: str | None, answer: Callable[[HttpRequest, str | None], Any]
    ) -> Handler:
        async def handle(request: HttpRequest) -> HttpAnswer:
            if name != self._product:
                raise RefusedRequestError(404, f"no model {name[:100]!r}: this server has {self._product}")
            if version is not None and version not in self._versions():
                raise RefusedRequestError(
                    404,
                    f"no version {version[:20]!r} is released: there are {', '.join(self._versions())}",
                )
            return await answer(request, version)

        return handle

    def _versions(self) -> list[str]:
        return [str(arm.version) for arm in self._scoring.arms.arms if arm.role != "shadow"]

    @property
    def _scoring(self) -> OnlineScoring:
        return self._lane.scoring

    async def _server(self, _: HttpRequest) -> HttpAnswer:
        return HttpAnswer(
            {"name": self._product, "version": self._version, "extensions": ["binary_tensor_data"]}
        )

    async def _ready(self, _: HttpRequest) -> HttpAnswer:
        is_ready = await self._is_ready()
        return HttpAnswer({"ready": is_ready}, 200 if is_ready else 503)

    async def _model_ready(self, _: HttpRequest, _version: str | None) -> HttpAnswer:
        is_ready = await self._is_ready()
        return HttpAnswer({"name": self._product, "ready": is_ready}, 200 if is_ready else 503)

    async def _model(self, _: HttpRequest, _version: str | None) -> HttpAnswer:
        def tensors(types: Mapping[str, str]) -> list[dict[str, object]]:
            return [{"name": name, "datatype": kind, "shape": [-1]} for name, kind in types.items()]

        return HttpAnswer(
            {
                "name": self._product,
                "versions": self._versions(),
                "platform": PLATFORM,
                "inputs": tensors(self._inputs),
                "outputs": tensors(OUTPUTS),
            }
        )

    async def _infer(self, request: HttpRequest, version: str | None) -> HttpAnswer:
        if version is not None and len(self._versions()) > 1:
            raise RefusedRequestError(
                400, "which version answers is the release plan's to say: ask without a version"
            )
        asked, tail = self._read(request)
        wanted = self._wanted(asked)
        rows = self._rows(asked.inputs, tail)
        events = self._types.convert(rows, received_at=request.received_at)
        try:
            scored = await self._lane.score(events, received_at=request.received_at, started=request.started)
        except ServingError as error:
            raise refused(error) from error
        predictions = [Prediction.of(one.record) for one in scored]
        versions = sorted({str(prediction.version) for prediction in predictions})
        answer: dict[str, object] = {
            "model_name": self._product,
            "model_version": ",".join(versions),
            "outputs": [
                {
                    "name": name,
                    "shape": [len(predictions)],
                    "datatype": OUTPUTS[name],
                    "data": [getattr(prediction, name) for prediction in predictions],
                }
                for name in wanted
            ],
        }
        if asked.id is not None:
            answer["id"] = asked.id
        return HttpAnswer(answer)

    def _read(self, request: HttpRequest) -> tuple[InferRequest, bytes]:
        length = len(request.body)
        if (header := request.header(HEADER_LENGTH)) is not None:
            if not header.isdigit() or len(header) > _LENGTH_DIGITS or int(header) > length:
                raise RefusedRequestError(
                    400, "Inference-Header-Content-Length is not the length of a part of the body"
                )
            length = int(header)
        content = request.body[:length]
        try:
            asked = self._decoder.decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RefusedRequestError(400, f"the body is no inference request: {error}") from error
        require_distinct_names(content)
        if asked.id is not None and len(asked.id) > MAXIMUM_ID:
            raise RefusedRequestError(400, f"the id of a request may have {MAXIMUM_ID:,} characters")
        return asked, request.body[length:]

    def _wanted(self, asked: InferRequest) -> list[str]:
        if not asked.outputs:
            return list(OUTPUTS)
        names = [output.name for output in asked.outputs]
        if unknown := [name for name in names if name not in OUTPUTS]:
            raise RefusedRequestError(
                400,
                f"no output {unknown[0][:100]!r}: there are {', '.join(OUTPUTS)}",
                [Problem("is no output", field=unknown[0][:100])],
            )
        if len(set(names)) < len(names):
            twice = next(name for name, count in Counter(names).items() if count > 1)
            raise RefusedRequestError(
                400, f"output {twice!r} is asked for twice", [Problem("comes twice", field=twice)]
            )
        return names

    def _rows(self, tensors: Sequence[InputTensor], tail: bytes) -> list[dict[str, object]]:
        columns: dict[str, list[object]] = {}
        for tensor in tensors:
            if tensor.name in columns:
                raise _wrong_input(tensor.name, "comes twice")
            columns[tensor.name], tail = self._column(tensor, tail)
        lengths = {len(column) for column in columns.values()}
        if len(lengths) != 1:
            raise RefusedRequestError(
                400, f"inputs must have one value per event each, but they have {sorted(lengths)}"
            )
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]

    def _column(self, tensor: InputTensor, tail: bytes) -> tuple[list[Any], bytes]:
        expected = self._inputs.get(tensor.name)
        if expected is None:
            raise _wrong_input(tensor.name, f"is no input: there are {', '.join(self._inputs)}")
        if tensor.datatype != expected:
            raise _wrong_input(tensor.name, f"must have datatype {expected}, not {tensor.datatype[:20]}")
        count = tensor.shape[0] if tensor.shape and all(size == 1 for size in tensor.shape[1:]) else -1
        if count < 0:
            raise _wrong_input(
                tensor.name, f"must have the shape [events] or [events, 1], not {tensor.shape[:5]}"
            )
        check_count(count)
        size = tensor.parameters.get("binary_data_size")
        if size is not None:
            if type(size) is not int or not 0 <= size <= len(tail):
                raise _wrong_input(
                    tensor.name, "has a binary_data_size that is not that of its part of the body"
                )
            values: list[Any] = _from_binary(tail[:size], tensor)
            tail = tail[size:]
        else:
            values = [
                value[0] if isinstance(value, list) and len(value) == 1 else value
                for value in tensor.data or []
            ]
        if len(values) != count:
            raise _wrong_input(tensor.name, f"has the shape {tensor.shape[:5]}, but {len(values)} values")
        return values, tail


async def _live(_: HttpRequest) -> HttpAnswer:
    return HttpAnswer({"live": True})


def _error_body(error: RefusedRequestError) -> dict[str, object]:
    """The protocol's own shape of an error."""
    told = "; ".join(f"{one.field or 'request'}: {one.message}" for one in error.refusal.problems)
    message = f"{error.refusal.message}: {told}" if told else error.refusal.message
    return {"error": message, "problems": error.refusal.problems}


_UNKNOWN = Endpoint(UNKNOWN, {}, _error_body)


def _wrong_input(name: str, problem: str) -> RefusedRequestError:
    return RefusedRequestError(400, f"input {name[:100]!r} {problem}", [Problem(problem, field=name[:100])])


def _from_binary(content: bytes, tensor: InputTensor) -> list[Any]:
    """Read a tensor in Triton's binary form: little-endian numbers, or texts behind their length; NaN is null."""
    if tensor.datatype in _NUMBERS:
        dtype = _NUMBERS[tensor.datatype]
        if len(content) % dtype.itemsize:
            raise _wrong_input(tensor.name, f"is cut short: {len(content)} bytes of {tensor.datatype}")
        check_count(len(content) // dtype.itemsize)
        values = np.frombuffer(content, dtype).tolist()
        return [None if isinstance(value, float) and math.isnan(value) else value for value in values]
    texts, at = [], 0
    while at < len(content):
        check_count(len(texts) + 1)
        end = at + 4
        if end <= len(content):
            end += struct.unpack_from("<I", content, at)[0]
        if end > len(content):
            raise _wrong_input(tensor.name, "is cut short in the middle of a text")
        try:
            texts.append(content[at + 4 : end].decode())
        except UnicodeDecodeError as error:
            raise _wrong_input(tensor.name, "holds a text that is not UTF-8") from error
        at = end
    return texts
