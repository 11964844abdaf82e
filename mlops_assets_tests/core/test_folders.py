"""Folders that a library cannot take are refused by the first command, with the variable that names them."""

from pathlib import Path

import pytest

from mlops_assets.core.errors import ConfigurationError
from mlops_assets.core.settings import load_settings


@pytest.mark.parametrize("name", ["[x]", "a^b", "a|b", "a=b", "50%25", "back\\slash"])
def test_a_folder_for_tables_that_delta_cannot_read_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="MLOPS_HOME: tables cannot lie in"):
        load_settings({"MLOPS_HOME": str(tmp_path / name)}, working_directory=tmp_path)
    elsewhere = {"MLOPS_HOME": str(tmp_path / "home"), "MLOPS_TABLES_URI": str(tmp_path / name)}
    with pytest.raises(ConfigurationError, match="MLOPS_TABLES_URI: tables cannot lie in"):
        load_settings(elsewhere, working_directory=tmp_path)
    with pytest.raises(ConfigurationError, match=r"has '\?'"):
        load_settings({"MLOPS_HOME": str(tmp_path / "what?")}, working_directory=tmp_path)


@pytest.mark.parametrize("name", ["my data", "team #1", "50% done", "Müller", "a'b"])
def test_every_other_folder_is_taken(tmp_path: Path, name: str) -> None:
    settings = load_settings({"MLOPS_HOME": str(tmp_path / name)}, working_directory=tmp_path)
    assert settings.tables_uri == str(tmp_path / name / "tables")
