"""Bodies that no client should send: random bytes, broken JSON, and requests of the Open Inference Protocol with any
tensors, also binary ones.
"""

import json
import struct

from hypothesis import strategies as st

from mlops_assets_tests.support.homes.asgi_service import AsgiService

HEADER_LENGTH = b"inference-header-content-length"
TENSOR_LENGTH = 4
"""Bytes of the length before a binary text."""
Request = tuple[str, bytes, list[tuple[bytes, bytes]]]
"""Path, body, and the headers beside the content type."""

_ODD = st.sampled_from(
    [
        b"\xff",
        b"\xed\xa0\x80",
        b'"\\ud800"',
        b"NaN",
        b"-Infinity",
        b"1e999",
        b"9" * 400,
        b"9" * 5000,
        b"[" * 3000,
        b'{"a":' * 3000,
        b'"12:00:00.1234567"',
        b'"\\u002e"',
        b"\x00",
        b'{"a":1,"a":2}',
    ]
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
_HEADERS = st.lists(
    st.tuples(
        st.sampled_from([b"content-encoding", HEADER_LENGTH, b"x", b"accept"]),
        st.binary(max_size=12) | st.sampled_from([b"0", b"-1", b"9" * 5000, b"\xb2", b"1e3", b" 7"]),
    ),
    max_size=2,
)
_SHAPES = st.lists(st.integers(-1, 3) | st.integers(), max_size=3)


def attacks(service: AsgiService) -> st.SearchStrategy[Request]:
    """Requests to every path that takes a body."""
    inference = f"/v2/models/{service.sampled.product.name}/infer"
    paths = st.sampled_from(["/predict", "/explain", inference])
    plain = st.tuples(paths, st.binary(max_size=300) | _spoilt(service) | _events(service), _HEADERS)
    return plain | _tensors(service, inference)


def _spoilt(service: AsgiService) -> st.SearchStrategy[bytes]:
    """A right event, or a list of them, in which some bytes are others."""
    whole = st.sampled_from([json.dumps(event).encode() for event in service.events[:5]])
    right = whole | st.lists(whole, max_size=3).map(lambda events: b"[" + b",".join(events) + b"]")
    place = st.floats(0, 1)

    def replaced(parts: tuple[bytes, float, int, bytes]) -> bytes:
        body, where, length, other = parts
        at = int(where * len(body))
        return body[:at] + other + body[at + length :]

    return st.tuples(right, place, st.integers(0, 12), _ODD | st.binary(max_size=4)).map(replaced)


def _events(service: AsgiService) -> st.SearchStrategy[bytes]:
    """Events whose columns have any values, also those that JSON does not know."""
    names = [*service.events[0], "unknown", "\ud800", "prediction_id"]
    changes = st.dictionaries(st.sampled_from(names), _VALUES, max_size=3)
    return st.tuples(st.sampled_from(service.events[:5]), changes).map(
        lambda parts: json.dumps({**parts[0], **parts[1]}).encode()
    )


def _tensors(service: AsgiService, path: str) -> st.SearchStrategy[Request]:
    kinds = service.worker.types.tensor_types()
    names = st.sampled_from([*kinds, "unknown", ""])
    tensor = st.fixed_dictionaries(
        {
            "name": names,
            "shape": _SHAPES,
            "datatype": st.sampled_from(["FP64", "INT64", "BYTES", "BOOL", "FP32", "\ud800"]),
        },
        optional={
            "data": st.lists(_VALUES, max_size=3),
            "parameters": st.dictionaries(
                st.just("binary_data_size"), st.integers(0, 40) | _VALUES, max_size=1
            ),
        },
    )
    request = st.fixed_dictionaries(
        {"inputs": st.lists(tensor | _right_tensor(service, kinds), max_size=3)},
        optional={
            "id": st.text(max_size=5),
            "outputs": st.lists(
                st.fixed_dictionaries({"name": st.sampled_from(["score", "decision", "x"])}), max_size=3
            ),
        },
    )
    texts = st.binary(max_size=12).map(lambda text: struct.pack("<I", len(text)) + text)
    tail = st.binary(max_size=40) | st.lists(texts, max_size=3).map(b"".join)
    shifts = st.sampled_from([0, 0, 0, 1, -1, 10**9])

    def framed(parts: tuple[dict[str, object], bytes, int, list[tuple[bytes, bytes]]]) -> Request:
        asked, binary, shift, headers = parts
        head = json.dumps(asked).encode()
        own = [(HEADER_LENGTH, str(len(head) + shift).encode())] if binary or shift else []
        return path, head + binary, own + headers

    return st.tuples(request, tail, shifts, _HEADERS).map(framed)


def _right_tensor(service: AsgiService, kinds: dict[str, str]) -> st.SearchStrategy[dict[str, object]]:
    event = service.events[0]
    right = [
        {"name": name, "shape": [1], "datatype": kind, "data": [event[name]]}
        for name, kind in kinds.items()
        if event.get(name) is not None
    ]
    return st.sampled_from(right)
