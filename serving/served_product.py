"""What a service knows of its product: the manifest's declaration, the contract of a request, and the feature view."""

import importlib
from dataclasses import dataclass
from typing import Any

import pandera.polars as pa

from mlops_assets.core.errors import ServingError
from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.serving.manifest import BentoManifest, ServedDeclaration


@dataclass(frozen=True)
class ServedProduct:
    """A product as it is served; where its rows come from and how it is trained is not known here."""

    name: str
    declaration: ServedDeclaration
    event_schema: type[pa.DataFrameModel]
    view: FeatureView

    @classmethod
    def of(cls, manifest: BentoManifest) -> "ServedProduct":
        """Import the modules that serving needs of the manifest's product.

        Raises: ServingError when they are not installed.
        """
        schemas = _module(manifest.product, "schemas")
        return cls(
            manifest.product, manifest.declaration, schemas.EventSchema, product_view(manifest.product)
        )


def product_view(product: str) -> FeatureView:
    """Return the feature view that this installation computes for the product.

    Raises: ServingError when the product is not installed.
    """
    return _module(product, "features").VIEW


def _module(product: str, name: str) -> Any:  # the modules are the user's
    try:
        return importlib.import_module(f"mlops_assets.products.{product}.{name}")
    except ModuleNotFoundError as error:
        raise ServingError(f"product {product} is not installed here: {error}") from error
