"""The door of a service with API keys: who has one gets in, also a new one, and nobody when the file is gone."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlops_assets.core.errors import ConfigurationError
from mlops_assets.core.serving.api_keys import ApiKeys
from serving.http.api_keys import LOOK_SECONDS, OPEN_PATHS, KeyDoor, key_door
from serving.http_errors import RefusedRequestError

NOW = datetime(2026, 1, 2, tzinfo=UTC)


class Clock:
    """Seconds that the test moves."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[tuple[Path, ApiKeys, str]]:
    """The file, its content, and a key that it knows."""
    file = tmp_path / "keys.json"
    content, key = ApiKeys().with_new("billing", secret=b"1" * 32, salt=b"1" * 16, now=NOW)
    content.write(file)
    yield file, content, key


def status(door: KeyDoor, key: str | None, path: str = "/predict") -> int:
    headers = [] if key is None else [(b"authorization", key.encode("latin-1"))]
    try:
        door(path, headers)
    except RefusedRequestError as error:
        assert key is None or key not in str(error)
        return error.status
    return 200


def test_a_key_opens_and_nothing_else_does(
    keys: tuple[Path, ApiKeys, str], clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    file, _, key = keys
    door = KeyDoor(file, clock=clock)
    assert [status(door, f"{scheme} {key}") for scheme in ("Bearer", "bearer", "BEARER ")] == [200, 200, 200]
    for wrong in (
        None,
        key,
        f"Basic {key}",
        "Bearer ",
        f"Bearer {key}x",
        "Bearer \xff\xfe",
        f"Bearer {key},{key}",
    ):
        assert status(door, wrong) == 401
    twice = [(b"authorization", f"Bearer {key}".encode())] * 2
    with pytest.raises(RefusedRequestError):
        door("/predict", twice)
    assert {status(door, None, path) for path in OPEN_PATHS} == {200}
    assert (status(door, None, "/"), status(door, f"Bearer {key}x", "/")) == (200, 401)
    assert [status(door, None, path) for path in ("/metrics", "//", "/model", "/livez/", "/other")] == [
        401
    ] * 5
    assert key not in caplog.text


def test_a_new_key_opens_and_a_revoked_one_does_not_within_a_look(
    keys: tuple[Path, ApiKeys, str], clock: Clock
) -> None:
    file, content, first = keys
    door = KeyDoor(file, clock=clock)
    content, second = content.with_new("shop", secret=b"2" * 32, salt=b"2" * 16, now=NOW)
    content.without("billing", now=NOW).write(file)
    assert (status(door, f"Bearer {first}"), status(door, f"Bearer {second}")) == (
        200,
        401,
    )  # not looked at yet
    clock.seconds += LOOK_SECONDS
    assert (status(door, f"Bearer {first}"), status(door, f"Bearer {second}")) == (401, 200)


@pytest.mark.parametrize("harm", ["gone", "damaged"])
def test_without_a_readable_file_nobody_gets_in_until_it_is_back(
    harm: str, keys: tuple[Path, ApiKeys, str], clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    file, content, key = keys
    door = KeyDoor(file, clock=clock)
    if harm == "gone":
        file.unlink()
    else:
        file.write_text("{")
    clock.seconds += LOOK_SECONDS
    assert status(door, f"Bearer {key}") == 503
    assert status(door, None, "/livez") == 200
    assert "nobody is let in" in caplog.text
    content.write(file)
    clock.seconds += LOOK_SECONDS
    assert status(door, f"Bearer {key}") == 200


def test_a_service_whose_file_is_missing_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no file of API keys"):
        key_door(tmp_path / "keys.json")


@pytest.mark.parametrize(("address", "is_told"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_a_service_without_keys_says_so_when_other_machines_get_in(
    address: str, is_told: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = () if address == "127.0.0.1" else (address,)
    monkeypatch.setattr("serving.http.api_keys.exposed_addresses", lambda: found)
    with caplog.at_level(logging.WARNING):
        assert key_door(None) is None
    assert ("THIS SERVICE ASKS FOR NO API KEY" in caplog.text) is is_told
    assert (address in caplog.text) is is_told
