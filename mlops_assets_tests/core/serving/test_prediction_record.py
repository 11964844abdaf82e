"""Captured predictions: every bit reads back, and an id names what was asked of which version."""

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.core.errors import ServingError
from mlops_assets.core.serving.prediction_record import decode_record, encode_record, prediction_id
from mlops_assets_tests.support.captured import captured_record

numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)
values = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=5) | numbers
requests = st.dictionaries(st.sampled_from(["a", "b", "c"]), values)


@given(requests, st.lists(numbers).map(tuple), numbers)
def test_a_record_reads_back_to_the_last_bit(request: dict, features: tuple, score: float | None) -> None:
    record = msgspec.structs.replace(captured_record(1), request=request, features=features, score=score)
    found = decode_record(encode_record(record))
    assert found == record
    assert encode_record(found) == encode_record(record)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"prediction_id": 1}'])
def test_what_is_no_record_is_shown(content: bytes) -> None:
    with pytest.raises(ServingError, match="captured record cannot be read"):
        decode_record(content)


@given(requests, st.integers(1, 9))
def test_the_same_request_to_the_same_version_has_one_id(request: dict, version: int) -> None:
    name = prediction_id(17, request, version=version)
    assert re.fullmatch(f"v{version}-17-[0-9a-f]{{32}}", name)
    assert prediction_id(17, dict(reversed(request.items())), version=version) == name
    assert prediction_id(17, {**request, "d": 1}, version=version) != name
    assert prediction_id(17, request, version=version + 1) != name
