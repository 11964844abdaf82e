"""A product as a service would hold it, without a bento."""

from mlops_assets.core.product import Product
from mlops_assets.core.serving.manifest import ServedDeclaration
from serving.served_product import ServedProduct


def as_served(product: Product) -> ServedProduct:
    """The part of a product that its service knows."""
    spec = product.spec
    declaration = ServedDeclaration(
        spec.title, spec.description, spec.label.description, spec.id_column, spec.entities
    )
    return ServedProduct(product.name, declaration, product.event_schema, product.view)
