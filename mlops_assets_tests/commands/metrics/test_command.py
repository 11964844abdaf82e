"""`mlops metrics show`: the numbers once, on the terminal or in a file for node_exporter."""

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from mlops_assets import cli


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAGSTER_HOME", "")
    return tmp_path / "home"


def test_the_numbers_are_printed_and_nothing_is_made(home: Path) -> None:
    shown = CliRunner().invoke(cli.app, ["metrics", "show"])
    assert shown.exit_code == 0
    families = {one.name: one for one in text_string_to_metric_families(shown.stdout)}
    assert {sample.value for sample in families["mlops_exporter_part_success"].samples} == {1.0}
    assert not home.exists()


def test_a_file_is_replaced_as_a_whole_and_others_may_read_it(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "collector" / "mlops.prom"
    file.parent.mkdir()
    file.write_text("old")
    assert CliRunner().invoke(cli.app, ["metrics", "show", "--output", str(file)]).exit_code == 0
    assert "mlops_exporter_part_success" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o644
    assert [one.name for one in file.parent.iterdir()] == ["mlops.prom"]
    assert not home.exists()
