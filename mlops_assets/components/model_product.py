"""The ModelProduct component: a product folder becomes its assets, checks, jobs, schedules and sensors."""

from typing import Self

import dagster as dg
from pydantic import BaseModel

from mlops_assets.assets.data import data_assets
from mlops_assets.assets.evaluation import evaluation_assets
from mlops_assets.assets.features import feature_assets
from mlops_assets.assets.monitoring import monitoring_assets
from mlops_assets.assets.online_features import online_features_assets
from mlops_assets.assets.operation import operation_assets
from mlops_assets.assets.parity import parity_assets
from mlops_assets.assets.release import release_assets
from mlops_assets.assets.training import training_assets
from mlops_assets.automation.jobs import product_automation
from mlops_assets.automation.late_rows import late_rows_automation
from mlops_assets.catalogue import assemble
from mlops_assets.core.errors import ProductSpecError
from mlops_assets.core.product import Product
from mlops_assets.core.product_spec import ProductSpec


class ModelProduct(dg.Component):
    """A model in production: data contract, features, label, training, gates, monitoring and release policy.

    The attributes are those of `core/product_spec.py`; the folder holds schemas.py, dataset.py and features.py beside
    `defs.yaml`.
    """

    def __init__(self, product: Product) -> None:
        self.product = product

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """The declaration that `attributes` must follow."""
        return ProductSpec

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Self:
        """Join the validated attributes with the Python modules of the folder."""
        if not isinstance(attributes, ProductSpec):
            raise ProductSpecError(
                f"{context.path / 'defs.yaml'} has no attributes; core/product_spec.py lists them"
            )
        return cls(assemble(attributes, folder=context.path))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Build every stage of the product's story and its automation."""
        return product_definitions(self.product)


def product_definitions(product: Product) -> dg.Definitions:
    """Build assets, checks, jobs, schedules and sensors of one product; the code location binds the resources."""
    assets = [
        *data_assets(product),
        *feature_assets(product),
        *online_features_assets(product),
        *training_assets(product),
        *evaluation_assets(product),
        *release_assets(product),
        *operation_assets(product),
        *monitoring_assets(product),
        *parity_assets(product),
    ]
    return dg.Definitions.merge(
        dg.Definitions(assets=assets), product_automation(product.spec), late_rows_automation(product)
    )
