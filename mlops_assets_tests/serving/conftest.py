"""One service per product for all tests of serving, since starting one takes seconds; and a host that is followed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_assets_tests.support.homes.followed import Clock, Proofs, new_follower
from mlops_assets_tests.support.homes.served_product import Served, serve
from mlops_assets_tests.support.homes.small_registry import SmallRegistry
from serving.plan_follower import PlanFollower

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


@pytest.fixture
def small(original_registry: SmallRegistry, tmp_path: Path) -> SmallRegistry:
    small = original_registry.copy(tmp_path / "mlflow")
    small.release(1)
    return small


@pytest.fixture
def serving_home(tmp_path: Path) -> Path:
    return tmp_path / "serving"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def proofs() -> Proofs:
    return Proofs()


@pytest.fixture
def follower(small: SmallRegistry, serving_home: Path, clock: Clock, proofs: Proofs) -> PlanFollower:
    return new_follower(small, serving_home, clock, proofs)
