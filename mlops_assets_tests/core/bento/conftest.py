"""One bento for all tests of bentos: building one takes seconds."""

import shutil
from pathlib import Path

import pytest

from mlops_assets.core.bento import build as packaging
from mlops_assets.core.bento.build import BuiltBento
from mlops_assets.core.bento.golden_requests import GoldenRequests, golden_requests
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets_tests.support.homes.product_bento import SampledProduct, product_bento, sampled_product


@pytest.fixture(scope="session")
def sampled() -> SampledProduct:
    return sampled_product("fraud_detection")


@pytest.fixture(scope="session")
def model(sampled: SampledProduct) -> TrainedModel:
    return sampled.model


@pytest.fixture(scope="session")
def golden(sampled: SampledProduct) -> GoldenRequests:
    return golden_requests(sampled.product, sampled.model, sampled.events, sampled.labels)


@pytest.fixture(scope="session")
def built(sampled: SampledProduct, bentos: Path, tmp_path_factory: pytest.TempPathFactory) -> BuiltBento:
    """In a home of this worker's own: tests look for what is served from it."""
    home = tmp_path_factory.mktemp("bentoml") / "home"
    shutil.copytree(bentos, home)
    return product_bento(sampled, home)


@pytest.fixture
def bento(built: BuiltBento, tmp_path: Path) -> BuiltBento:
    """A copy that a test may break."""
    shutil.copytree(built.bentoml_home, tmp_path / "home")
    return packaging.built_bento(built.tag, tmp_path / "home")
