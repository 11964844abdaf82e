"""An evaluation is about one model."""

from datetime import timedelta
from pathlib import Path

import pytest

from mlops_assets.core.errors import RegistryError
from mlops_assets_tests.support.homes.small_home import (
    AS_OF,
    CANDIDATE,
    SmallHome,
)


def test_the_verdicts_of_another_model_register_nothing(released_home: SmallHome, tmp_path: Path) -> None:
    home = released_home.copy(tmp_path / "home")
    home.materialize(*CANDIDATE[:3], as_of=AS_OF + timedelta(days=3))
    with pytest.raises(RegistryError, match=r"materialize fraud_detection/evaluation first"):
        home.materialize("model_version")
    assert [version.version for version in home.registry.versions("fraud_detection")] == [1]
