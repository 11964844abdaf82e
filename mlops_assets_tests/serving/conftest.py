"""One service per product for all tests of serving: starting one takes seconds."""

from collections.abc import Iterator

import pytest

from mlops_assets_tests.serving.served_product import Served, serve

PRODUCTS = ("fraud_detection", "mortality_risk")


@pytest.fixture(scope="session")
def fraud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve("fraud_detection", tmp_path_factory)


@pytest.fixture(scope="session")
def mortality(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve("mortality_risk", tmp_path_factory)


@pytest.fixture(params=PRODUCTS)
def either(request: pytest.FixtureRequest) -> Served:
    return request.getfixturevalue({"fraud_detection": "fraud", "mortality_risk": "mortality"}[request.param])
