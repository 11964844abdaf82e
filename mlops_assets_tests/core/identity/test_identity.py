"""An identity says what a result was made from, and what of it changed."""

from dataclasses import replace

import pytest

from mlops_assets.core.identity.identity import Identity

MADE = Identity(
    code="a" * 64,
    libraries={"polars": "1.0", "numpy": "2.0"},
    declared={"gates": "g1", "label": "l1"},
    read={"table events": "e1"},
)


def test_it_is_read_back_as_it_was() -> None:
    assert Identity.read_json(MADE.to_json()) == MADE
    assert Identity.read_json(MADE.to_json()).digest == MADE.digest  # pyright: ignore


@pytest.mark.parametrize("text", [None, "", "raw_events@3", "[]", '{"code": "a"}', "as_of=2018-05-20"])
def test_what_other_writers_say_is_no_identity(text: str | None) -> None:
    assert Identity.read_json(text) is None


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (replace(MADE, code="b" * 64), ["code aaaaaaaaaaaa is now bbbbbbbbbbbb"]),
        (replace(MADE, libraries={"polars": "1.1", "numpy": "2.0"}), ["library polars 1.0 is now 1.1"]),
        (replace(MADE, libraries={"polars": "1.0"}), ["library numpy 2.0 is now not used"]),
        (replace(MADE, declared={"gates": "g2", "label": "l1"}), ["the declaration's gates"]),
        (replace(MADE, read={"table events": "e1", "table labels": "l1"}), ["table labels"]),
        (MADE, []),
    ],
)
def test_what_changed_is_named(now: Identity, told: list[str]) -> None:
    assert now.differences(MADE) == told
    assert (now.digest == MADE.digest) is (not told)


def test_only_the_code_is_none_of_the_content() -> None:
    assert replace(MADE, code="b").content_digest == MADE.content_digest
    for part in ("libraries", "declared", "read"):
        assert replace(MADE, **{part: {"x": "y"}}).content_digest != MADE.content_digest
