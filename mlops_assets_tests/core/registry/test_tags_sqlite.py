"""The door to a registry by SQL."""

from pathlib import Path

import pytest

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.registry.open_tags import open_registry_tags


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    file.write_bytes(b"no database" * 1000)
    with pytest.raises(RegistryError, match=f"the registry in {file} does not answer"):
        open_registry_tags(f"sqlite:///{file}")
