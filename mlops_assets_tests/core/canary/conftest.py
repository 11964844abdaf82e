"""One registry with a canary for all tests of canaries; each test has tables and a store of its own."""

from dataclasses import replace
from pathlib import Path
from shutil import copytree

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
    copytree(registered.settings.tables_uri, tmp_path / "tables")
    settings = replace(
        registered.settings, tables_uri=str(tmp_path / "tables"), online_store=str(tmp_path / "online")
    )
    return replace(registered, settings=settings)


@pytest.fixture
def canary(home: CanaryHome) -> Canary:
    found = standing_canary(PRODUCT, home.plans)
    assert found is not None
    return found
