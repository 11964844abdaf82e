"""Keys open until they are revoked; their file tells nobody a key."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.core.errors import ConfigurationError
from mlops_assets.core.serving.api_keys import SALT_BYTES, SECRET_BYTES, ApiKeys

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def with_new(keys: ApiKeys, name: str, seed: int) -> tuple[ApiKeys, str]:
    secret = bytes((seed + i) % 256 for i in range(SECRET_BYTES))
    return keys.with_new(name, secret=secret, salt=bytes([seed]) * SALT_BYTES, now=NOON)


def test_each_key_opens_for_its_holder_until_it_is_revoked() -> None:
    keys, first = with_new(ApiKeys(), "billing", 1)
    keys, second = with_new(keys, "shop", 2)
    assert (keys.holder(first), keys.holder(second)) == ("billing", "shop")
    keys = keys.without("billing", now=NOON + timedelta(days=1))
    assert (keys.holder(first), keys.holder(second)) == (None, "shop")
    keys, third = with_new(keys, "billing", 3)  # the name is free again
    assert (keys.holder(first), keys.holder(third)) == (None, "billing")
    assert [row.revoked_at is None for row in keys.keys] == [False, True, True]


def test_a_key_with_one_sign_changed_opens_nothing() -> None:
    keys, key = with_new(ApiKeys(), "billing", 1)
    for place in range(len(key)):
        other = "A" if key[place] != "A" else "B"
        assert keys.holder(key[:place] + other + key[place + 1 :]) is None
    assert keys.holder(key[:-1]) is None
    assert keys.holder(f"{key}A") is None


@given(st.text(alphabet=st.characters(codec=None)))
def test_nothing_else_opens(given_key: str) -> None:
    keys, _ = with_new(ApiKeys(), "billing", 1)
    assert keys.holder(given_key) is None
    assert ApiKeys().holder(given_key) is None


def test_the_file_holds_no_key_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    keys, key = with_new(ApiKeys(), "billing", 1)
    file = tmp_path / "etc" / "keys.json"
    keys.write(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert key not in file.read_text()
    assert key.split("_")[2] not in file.read_text()
    assert ApiKeys.read(file).holder(key) == "billing"


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 101])
def test_a_name_is_short_plain_text(name: str) -> None:
    with pytest.raises(ConfigurationError, match="name"):
        with_new(ApiKeys(), name, 1)


def test_a_name_stands_for_one_key() -> None:
    keys, _ = with_new(ApiKeys(), "billing", 1)
    with pytest.raises(ConfigurationError, match="there is a key billing already"):
        with_new(keys, "billing", 2)
    with pytest.raises(ConfigurationError, match="there is no key shop"):
        keys.without("shop", now=NOON)


@pytest.mark.parametrize(
    "content", [None, "", "{}", "[]", '{"format_version": 1, "keys": [{}]}', '{"format_version": 2}']
)
def test_a_file_that_is_no_file_of_keys_is_refused_by_name(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigurationError, match=r"keys\.json"):
        ApiKeys.read(file)
