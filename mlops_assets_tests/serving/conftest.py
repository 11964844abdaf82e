"""One service per product for all tests of serving: starting one takes seconds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_assets_tests.support.homes.served_product import Served, serve

PRODUCTS = ("fraud_detection", "mortality_risk")


@pytest.fixture(scope="session")
def bentoml_home(bentos: Path) -> Path:
    return bentos


@pytest.fixture(scope="session")
def fraud(bentoml_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve("fraud_detection", bentoml_home=bentoml_home, home=tmp_path_factory.mktemp("fraud"))


@pytest.fixture(scope="session")
def mortality(bentoml_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve("mortality_risk", bentoml_home=bentoml_home, home=tmp_path_factory.mktemp("mortality"))


@pytest.fixture(params=PRODUCTS)
def either(request: pytest.FixtureRequest) -> Served:
    return request.getfixturevalue({"fraud_detection": "fraud", "mortality_risk": "mortality"}[request.param])
