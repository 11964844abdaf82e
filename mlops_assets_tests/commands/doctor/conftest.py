"""A home of a test's own for the doctor."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_assets.core.settings import VARIABLES


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
