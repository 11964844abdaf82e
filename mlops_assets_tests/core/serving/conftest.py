"""What scores, over a store of the test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.serving.scoring import OnlineScoring
from mlops_assets_tests.support.homes.product_bento import SampledProduct, sampled_product
from mlops_assets_tests.support.scored_requests import (
    FACTS,
    Spoilt,
    arms_of,
)


@pytest.fixture(scope="module")
def sampled() -> SampledProduct:
    return sampled_product("fraud_detection")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Spoilt]:
    opened = Spoilt(open_online_store(str(tmp_path), "fraud_detection"))
    yield opened
    opened.close()


@pytest.fixture
def scoring(sampled: SampledProduct, store: Spoilt) -> OnlineScoring:
    return OnlineScoring(FACTS, store, arms_of(sampled))
