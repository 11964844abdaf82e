"""What the platform stores in and talks to, as the doctor tries it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_assets.commands.doctor.check import Check, Checkup
from mlops_assets.commands.doctor.connections import (
    EXHAUSTED_BYTES,
    SCARCE_BYTES,
    disk_check,
    table_checks,
    tracking_checks,
)
from mlops_assets.core.settings import Settings, load_settings
from mlops_assets_tests.support.examined_home import examined


def settings_of(environ: dict[str, str], **variables: str) -> Settings:
    return load_settings({**environ, **variables}, working_directory=Path("/"))


def finding(checks: "Iterator[Check]") -> Check:
    """The last finding, also when it is an exception."""
    return Checkup("area", "name", lambda: checks, "do this").findings()[-1]


def test_a_tracking_database_below_a_file_fails_at_once(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = settings_of(environ, MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path}/file/mlflow.db")
    assert finding(tracking_checks(settings)).status == "failed"
    (tmp_path / "text.db").write_text("no database " * 100)
    unreadable = settings_of(environ, MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path}/text.db")
    assert "not a database" in finding(tracking_checks(unreadable)).detail


@pytest.mark.parametrize("uri", ["http://127.0.0.1:1", "postgresql+psycopg2://127.0.0.1:1/mlflow"])
def test_a_tracking_server_that_does_not_answer_fails_at_once(environ: dict[str, str], uri: str) -> None:
    found = finding(tracking_checks(settings_of(environ, MLFLOW_TRACKING_URI=uri)))
    assert (found.status, found.action) == ("failed", "do this")
    assert "nothing answers at 127.0.0.1:1" in found.detail
    assert "refused" in found.detail


def test_tables_below_a_file_fail_and_leave_nothing(environ: dict[str, str], tmp_path: Path) -> None:
    root = tmp_path / "file"
    root.write_text("kept")
    found = finding(table_checks(settings_of(environ, MLOPS_TABLES_URI=str(root))))
    assert found.status == "failed"
    assert root.read_text() == "kept"


def test_an_object_store_that_does_not_answer_fails_soon(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    access = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "s3cret", "AWS_REGION": "us-east-1"}
    for name, value in {**access, "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ALLOW_HTTP": "true"}.items():
        monkeypatch.setenv(name, value)
    found = finding(table_checks(settings_of(environ, MLOPS_TABLES_URI="s3://lake/tables")))
    assert found.status == "failed"
    assert "Connection refused" in found.detail
    assert "\x1b" not in found.detail


def test_a_folder_that_was_there_before_stays_beside_the_probe(
    environ: dict[str, str], tmp_path: Path
) -> None:
    other = tmp_path / "tables" / "doctor_probe" / "somebody_elses"
    other.mkdir(parents=True)
    found = finding(table_checks(settings_of(environ, MLOPS_TABLES_URI=str(tmp_path / "tables"))))
    assert found.status == "ok"
    assert list((tmp_path / "tables" / "doctor_probe").iterdir()) == [other]


def test_a_home_that_cannot_be_made_fails_wherever_it_is_needed(
    environ: dict[str, str], tmp_path: Path
) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    home = str(in_the_way / "home")
    ill = {**environ, "MLOPS_HOME": home}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", f"{home}/dagster")
        found = examined(ill)
    failed = {name for name, check in found.items() if check.status == "failed"}
    assert failed == {"MLOPS_HOME", "tables", "MLflow tracking", "online store", "DAGSTER_HOME"}
    assert "NotADirectoryError" in found["MLOPS_HOME"].detail
    assert found["MLOPS_HOME"].action == "set MLOPS_HOME to a folder that this user may make and write"
    assert found["fraud_detection"].status == "ok"


def test_scarce_space_warns_and_none_fails() -> None:
    judged = [
        disk_check(size, where=Path("/")).status
        for size in (EXHAUSTED_BYTES - 1, SCARCE_BYTES - 1, SCARCE_BYTES)
    ]
    assert judged == ["failed", "warning", "ok"]
