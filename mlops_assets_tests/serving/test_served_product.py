"""What a service knows of its product."""

import pytest

from mlops_assets.catalogue import load_product, product_names
from mlops_assets.core.errors import ServingError
from serving.served_product import product_view


@pytest.mark.parametrize("name", product_names())
def test_the_view_is_the_products_own(name: str) -> None:
    assert product_view(name).digest == load_product(name).view.digest


def test_a_product_that_is_not_installed_is_named() -> None:
    with pytest.raises(ServingError, match="product no_such is not installed here"):
        product_view("no_such")
