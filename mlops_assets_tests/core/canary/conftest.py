"""One registry with a canary for all tests of canaries; each test has tables and a store of its own."""

from pathlib import Path

import pytest

from mlops_assets.core.canary.canary import Canary, standing_canary
from mlops_assets_tests.support.homes.canary_home import PRODUCT, CanaryHome, make_canary_home


@pytest.fixture(scope="session")
def registered(tmp_path_factory: pytest.TempPathFactory) -> CanaryHome:
    """The home's registry and tables, made once; its store stays empty."""
    return make_canary_home(tmp_path_factory.mktemp("home"))


@pytest.fixture
def home(registered: CanaryHome, tmp_path: Path) -> CanaryHome:
    """A home with tables of captured predictions and a store of its own."""
    return registered.copy(tmp_path / "home")


@pytest.fixture
def canary(home: CanaryHome) -> Canary:
    found = standing_canary(PRODUCT, home.plans)
    assert found is not None
    return found
