"""Names that come twice in a JSON object: found however they are written, and nothing else is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.events.repeated_names import require_distinct_names
from serving.http_errors import RefusedRequestError

names = st.text(max_size=3)
values = st.integers() | st.text(alphabet='":\\ ,{}a', max_size=6)


@given(st.dictionaries(names, values, max_size=5), st.sampled_from([None, 2]), st.booleans())
def test_an_object_of_different_names_passes_and_with_one_of_them_again_it_is_refused(
    content: dict[str, object], indent: int | None, is_ascii: bool
) -> None:
    text = json.dumps(content, indent=indent, ensure_ascii=is_ascii)
    require_distinct_names(text.encode(), names=len(content))
    require_distinct_names(f"[{text},{text}]".encode(), names=2 * len(content))
    for name in content:
        again = text.rstrip()[:-1] + f", {json.dumps(name)} : 1}}"
        with pytest.raises(RefusedRequestError, match="comes twice"):
            require_distinct_names(again.encode(), names=len(content))


@pytest.mark.parametrize("text", ["[" * 5000, "1" * 5000, "{"])
def test_what_cannot_be_read_is_the_clients_fault(text: str) -> None:
    with pytest.raises(RefusedRequestError) as caught:
        require_distinct_names(text.encode())
    assert caught.value.status == 400
