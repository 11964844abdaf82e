"""`mlops keys`: a key is shown once, listed without itself, and revoked."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlops_assets.cli import app
from mlops_assets.core.errors import ConfigurationError
from mlops_assets.core.serving.api_keys import ApiKeys


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MLOPS_API_KEYS", str(tmp_path / "etc" / "keys.json"))
    return tmp_path / "etc" / "keys.json"


def mlops(*arguments: str) -> str:
    ended = CliRunner().invoke(app, arguments)
    if ended.exception is not None:
        raise ended.exception
    return ended.output


def test_a_key_is_made_listed_and_revoked(file: Path) -> None:
    key = mlops("keys", "create", "billing").strip()
    other = json.loads(mlops("keys", "create", "shop", "--json"))["key"]
    assert [ApiKeys.read(file).holder(one) for one in (key, other)] == ["billing", "shop"]
    listed = mlops("keys", "list")
    assert key not in listed
    assert all(name in listed for name in ("billing", "shop", key[:15]))
    assert mlops("keys", "revoke", "billing") == "billing is revoked\n"
    assert [ApiKeys.read(file).holder(one) for one in (key, other)] == [None, "shop"]
    rows = json.loads(mlops("keys", "list", "--json"))["keys"]
    assert [(row["name"], row["revoked_at"] is None) for row in rows] == [("billing", False), ("shop", True)]
    assert not (file.parents[1] / "home").exists()


def test_without_a_configured_file_there_are_no_keys(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLOPS_API_KEYS")
    with pytest.raises(ConfigurationError, match="MLOPS_API_KEYS is not set"):
        mlops("keys", "create", "billing")
