"""The doctor, with every way to be ill made for real: files in the way, ports that nobody answers, broken folders."""

import json
import shutil
import socket
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from mlops_assets import catalogue
from mlops_assets.catalogue import load_product
from mlops_assets.commands.doctor.check import Check, Checkup
from mlops_assets.commands.doctor.command import doctor_json, has_failed, print_checks, run_doctor
from mlops_assets.commands.doctor.configuration import readable_settings
from mlops_assets.commands.doctor.connections import (
    EXHAUSTED_BYTES,
    SCARCE_BYTES,
    disk_check,
    table_checks,
    tracking_checks,
)
from mlops_assets.commands.doctor.installation import (
    installation_checks,
    lock_check,
    python_check,
    requirement_checks,
)
from mlops_assets.commands.doctor.orchestration import (
    instance_checks,
    location_checks,
    port_check,
    product_checkups,
    source_check,
)
from mlops_assets.core.product_spec import Source
from mlops_assets.core.settings import VARIABLES, Settings, load_settings


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """A home of the test's own; the process's environment is as before afterwards."""
    home = tmp_path / "home"
    monkeypatch.setenv("MLOPS_HOME", str(home))
    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
    for name in VARIABLES:
        if name != "MLOPS_HOME":
            monkeypatch.delenv(name, raising=False)
    yield {"MLOPS_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}


def settings_of(environ: dict[str, str], **variables: str) -> Settings:
    return load_settings({**environ, **variables}, working_directory=Path("/"))


def examined(environ: dict[str, str]) -> dict[str, Check]:
    """All findings by name; the terminal's progress goes nowhere."""
    checks = run_doctor(environ, working_directory=Path("/"), console=Console(file=StringIO()))
    return {check.name: check for check in checks}


def finding(checks: "Iterator[Check]") -> Check:
    """The last finding, also when it is an exception."""
    return Checkup("area", "name", lambda: checks, "do this").findings()[-1]


def test_a_fresh_home_is_well_and_every_connection_was_looked_at(environ: dict[str, str]) -> None:
    found = examined(environ)
    assert [check for check in found.values() if check.status == "failed"] == []
    expected = {
        *("Python", "required packages", "their requirements", "disk space", "tables", "MLflow tracking"),
        "online store",
        *("MLflow registry", "DAGSTER_HOME", "daemon", "code location", "BentoML", "port 3000", "port 5000"),
        *("fraud_detection", "fraud_detection source", "mortality_risk", "mortality_risk source"),
        *VARIABLES,
    }
    assert expected <= set(found)
    home = Path(environ["MLOPS_HOME"])
    assert not (home / "tables" / "doctor_probe").exists()
    assert not list(home.glob(".doctor-*"))
    answer = doctor_json(list(found.values()))
    assert answer["ok"] is True
    assert answer["counts"]["failed"] == 0
    assert json.loads(json.dumps(answer))["checks"][0]["area"] == "installation"


def test_no_secret_is_ever_shown(environ: dict[str, str]) -> None:
    secrets = {
        "MLFLOW_TRACKING_URI": "postgresql://mlflow:hunter2@127.0.0.1:1/mlflow",
        "MLOPS_ALERT_WEBHOOK": "https://hooks.example/services/T0KEN",
    }
    found = examined({**environ, **secrets})
    screen = StringIO()
    print_checks(list(found.values()), console=Console(file=screen, width=300))
    shown = screen.getvalue() + json.dumps(doctor_json(list(found.values())))
    assert "hunter2" not in shown
    assert "T0KEN" not in shown
    assert found["MLOPS_ALERT_WEBHOOK"].detail == "*** (environment)"
    assert found["MLFLOW_TRACKING_URI"].detail == "postgresql://***@127.0.0.1:1/mlflow (environment)"
    assert found["MLflow tracking"].status == "failed"


def test_a_mistyped_variable_fails_and_the_rest_is_still_checked(environ: dict[str, str]) -> None:
    wrong = {**environ, "MLOPS_HOEM": "/somewhere", "MLOPS_ALERT_WEBHOOK": "ftp://host"}
    settings, (problem,) = readable_settings(wrong, working_directory=Path("/"))
    assert problem.status == "failed"
    assert "unknown environment variable MLOPS_HOEM" in problem.detail
    assert "MLOPS_ALERT_WEBHOOK must start with http" in problem.detail
    assert settings is not None
    assert str(settings.home) == environ["MLOPS_HOME"]


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


def test_scarce_space_warns_and_none_fails() -> None:
    judged = [
        disk_check(size, where=Path("/")).status
        for size in (EXHAUSTED_BYTES - 1, SCARCE_BYTES - 1, SCARCE_BYTES)
    ]
    assert judged == ["failed", "warning", "ok"]


def test_a_broken_dagster_configuration_says_which_file(environ: dict[str, str]) -> None:
    folder = Path(environ["DAGSTER_HOME"])
    folder.mkdir(parents=True)
    (folder / "dagster.yaml").write_text("telemetry:\n  enabeld: false\n")
    found = finding(instance_checks(settings_of(environ)))
    assert found.status == "failed"
    assert "enabeld" in found.detail


def test_a_broken_product_names_file_and_line_and_does_not_hide_the_others(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = tmp_path / "products"
    shutil.copytree(catalogue.PRODUCTS_FOLDER / "mortality_risk", folders / "broken_risk")
    text = (folders / "broken_risk" / "defs.yaml").read_text().replace("  title:", "  titel:")
    (folders / "broken_risk" / "defs.yaml").write_text(text)
    (folders / "unreadable").mkdir()
    (folders / "unreadable" / "defs.yaml").write_text("type: [")
    monkeypatch.setattr(catalogue, "PRODUCTS_FOLDER", folders)
    first, second = product_checkups(settings_of(environ))
    (broken,) = first.findings()
    assert broken.status == "failed"
    assert "broken_risk/defs.yaml:" in broken.detail
    assert "titel" in broken.detail
    assert broken.action.startswith("correct mlops_assets/products/broken_risk")
    assert "is no valid YAML" in second.findings()[-1].detail


def test_a_code_location_that_does_not_load_is_a_finding(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLOPS_TYPO", "1")
    found = finding(location_checks())
    assert found.status == "failed"
    assert "ConfigurationError: unknown environment variable MLOPS_TYPO" in found.detail


def test_a_source_file_must_be_there_and_a_fetched_one_need_not(tmp_path: Path) -> None:
    fraud, mortality = load_product("fraud_detection"), load_product("mortality_risk")
    assert "will be fetched through pip" in source_check(mortality, cache=tmp_path).detail
    assert source_check(mortality, cache=tmp_path).status == "ok"
    statuses = []
    for path in ("transactions.parquet", "*.parquet"):
        source = Source(kind="parquet", path=str(tmp_path / path))
        own_file = replace(fraud, spec=fraud.spec.model_copy(update={"source": source}))
        (tmp_path / "transactions.parquet").unlink(missing_ok=True)
        statuses.append(source_check(own_file, cache=tmp_path).status)
        (tmp_path / "transactions.parquet").write_bytes(b"")
        statuses.append(source_check(own_file, cache=tmp_path).status)
    assert statuses == ["failed", "ok", "failed", "ok"]


def test_a_port_is_free_until_somebody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert port_check(port, user="a test").detail.startswith("in use")
    assert port_check(port, user="a test").detail.startswith("free")


def test_another_python_or_another_version_than_the_locked_one_is_named() -> None:
    assert python_check("3.11.7", "<3.12,>=3.11").status == "ok"
    assert python_check("3.12.0", "<3.12,>=3.11").status == "failed"
    assert lock_check("polars==0.0.1 \\\n    --hash=sha256:00\n").status == "warning"
    assert lock_check("# comment\nnothing-like-this==1.0 \\\n").status == "ok"
    assert {check.status for check in installation_checks()} <= {"ok", "warning"}


def test_a_missing_or_wrong_requirement_is_named_with_who_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs = {
        "doctor-root": [
            "doctor-middle[fast]",
            "polars<0.1",
            "nothing-like-this>=2",
            "absent; extra == 'dev'",
        ],
        "doctor-middle": ["numpy>=1", "missing-part; extra == 'fast'", "unused-part; extra == 'slow'"],
    }
    for name, requirements in needs.items():
        folder = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
        folder.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0", "Provides-Extra: fast"]
        text = "\n".join([*lines, *(f"Requires-Dist: {requirement}" for requirement in requirements), ""])
        (folder / "METADATA").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    direct, others = requirement_checks("doctor-root")
    assert direct.status == others.status == "failed"
    assert "doctor-root needs polars<0.1, but" in direct.detail
    assert "doctor-root needs nothing-like-this>=2, which is not installed" in direct.detail
    assert "absent" not in direct.detail
    assert others.detail.startswith("doctor-middle needs missing-part")
    assert "unused-part" not in others.detail


def test_an_exception_is_a_finding_with_its_root_cause_and_what_to_do() -> None:
    def checks() -> Iterator[Check]:
        yield Check("area", "first", "ok", "fine")
        try:
            raise OSError("https://user:hunter2@host is full")
        except OSError as error:
            raise RuntimeError("somewhere deep") from error

    first, second = Checkup("area", "second", checks, "free some space").findings()
    assert first.status == "ok"
    assert second == Check("area", "second", "failed", "OSError: https://***@host is full", "free some space")
    assert has_failed([first, second])
    assert not has_failed([first])
