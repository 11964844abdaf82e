"""The doctor on who may read what is stored, and ask what is served."""

from datetime import UTC, datetime
from pathlib import Path

from mlops_assets.commands.doctor.access import folder_checks, key_checks
from mlops_assets.commands.doctor.check import Check, Checkup
from mlops_assets.core.serving.api_keys import ApiKeys
from mlops_assets.core.settings import Settings, load_settings

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def settings_of(tmp_path: Path, **variables: str) -> Settings:
    return load_settings({"MLOPS_HOME": str(tmp_path / "home"), **variables}, working_directory=tmp_path)


def told(settings: Settings) -> list[tuple[str, str]]:
    return [(check.name, check.status) for check in folder_checks(settings)]


def key_check(settings: Settings) -> Check:
    return Checkup("access", "API keys", lambda: key_checks(settings), "do this").findings()[-1]


def test_a_folder_that_others_may_read_is_named_wherever_it_lies(tmp_path: Path) -> None:
    settings = settings_of(
        tmp_path, MLOPS_TABLES_URI=str(tmp_path / "lake"), MLOPS_ONLINE_STORE="redis://store"
    )
    assert told(settings) == []
    settings.home.mkdir(mode=0o700)
    (tmp_path / "lake").mkdir(mode=0o755)
    assert told(settings) == [("MLOPS_HOME: mode", "ok"), ("MLOPS_TABLES_URI: mode", "warning")]
    settings.home.chmod(0o710)
    assert told(settings)[0] == ("MLOPS_HOME: mode", "warning")


def test_keys_are_read_as_a_service_reads_them(tmp_path: Path) -> None:
    assert key_check(settings_of(tmp_path)).status == "ok"
    file = tmp_path / "keys.json"
    settings = settings_of(tmp_path, MLOPS_API_KEYS=str(file))
    assert "there is no file of API keys" in key_check(settings).detail
    ApiKeys().write(file)
    assert "let nobody in" in key_check(settings).detail
    keys, _ = ApiKeys().with_new("billing", secret=b"1" * 32, salt=b"1" * 16, now=NOW)
    keys.write(file)
    assert key_check(settings).status == "ok"
    file.chmod(0o640)
    assert key_check(settings).status == "warning"
