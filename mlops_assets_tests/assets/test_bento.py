"""A bento packs the sources that are here: it is refused for a version that was made by others."""

from dataclasses import replace
from pathlib import Path

import pytest

from mlops_assets.core.errors import PackagingError
from mlops_assets.core.features.expressions import col
from mlops_assets.core.features.view import RowFeature
from mlops_assets.core.product import Product
from mlops_assets.core.registry.tag_names import BENTO_TAG
from mlops_assets_tests.support.homes.small_home import FRAUD, SmallHome


def wider(product: Product) -> Product:
    """The product with one feature more."""
    more = RowFeature("twice", col("amount_usd") * 2.0, "twice what was paid")
    return replace(product, view=replace(product.view, features=(*product.view.features, more)))


def test_a_version_of_another_feature_view_gets_no_bento_of_these_sources(
    released_home: SmallHome, tmp_path: Path
) -> None:
    home = released_home.copy(tmp_path / "home")
    (before,) = home.registry.versions(FRAUD)
    with pytest.raises(PackagingError, match=r"was trained with feature view .* train it again"):
        home.with_product(wider).materialize("bento")
    (after,) = home.registry.versions(FRAUD)
    assert after.tags[BENTO_TAG] == before.tags[BENTO_TAG]
