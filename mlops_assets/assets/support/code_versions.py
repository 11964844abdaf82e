"""The code version of an asset: the digest of the code that computes its table or thing, without what only shows it."""

from collections.abc import Callable
from typing import Any

from mlops_assets.catalogue import PRODUCTS_PACKAGE
from mlops_assets.core.identity.closure import Closure, closure_of
from mlops_assets.core.identity.code_base import PACKAGES, CodeBase, installed_code
from mlops_assets.core.identity.installed import distribution_of
from mlops_assets.core.model.libraries import SCORING_LIBRARIES
from mlops_assets.core.product import Product

SHOWS_ONLY = (
    "mlops_assets.assets.support.column_docs",
    "mlops_assets.assets.support.pictures",
    "mlops_assets.core.evaluation.plots",
    "mlops_assets.core.monitoring.drift.html",
    "mlops_assets.core.monitoring.performance_html",
    "mlops_assets.core.parity.plot",
    "mlops_assets.core.plots",
    "mlops_assets.core.training.plots",
)
"""Modules that make pictures and pages of a result. With other code there, the result is the same."""
CARRIERS = frozenset(
    {"apsw", "arro3", "dagster", "dagster_mlflow", "deltalake", "mlflow", "pyarrow", "pydantic", "yaml"}
)
"""Libraries that start, store, carry and validate; what is computed is the same with another version of them."""
_BUNDLES = (
    "mlops_assets.core.product",
    "mlops_assets.assets.support.recorded_reads",
    "mlops_assets.catalogue",
)
"""Modules that only put a `Product` together, so that what they read of it says nothing about who needs it."""
_MODULE_BY_ATTRIBUTE = {
    "event_schema": "schemas",
    "read_events": "dataset",
    "read_labels": "dataset",
    "reader": "dataset",
    "readers": "dataset",
    "view": "features",
    "model_features": "features",
    "baselines": "features",
    "monitors": "monitors",
}
"""Which module of a product's folder defines what code reads of a `Product`."""


def asset_code(product: Product, function: Callable[..., Any], code: CodeBase | None = None) -> Closure:
    """Return the closure of an asset's function: what it reaches in its own module, and all that this imports.

    Of the product's folder those modules count whose objects the code reads. Decorators of the function, docstrings and
    comments do not count; nor do SHOWS_ONLY and functions that are marked with `page_only`. Of a function of another
    package than ours that whole package is followed, too.
    """
    root = (function.__module__, function.__qualname__)
    package = function.__module__.split(".", 1)[0]
    code = code or installed_code(*(() if package in PACKAGES else (package,)))
    own = closure_of(code, functions=[root], left_out=SHOWS_ONLY)
    modules = {
        f"{PRODUCTS_PACKAGE}.{product.folder.name}.{module}"
        for attribute, module in _MODULE_BY_ATTRIBUTE.items()
        if own.reads(attribute, besides=_BUNDLES) and (product.folder / f"{module}.py").is_file()
    }
    return (
        closure_of(code, functions=[root], modules=sorted(modules), left_out=SHOWS_ONLY) if modules else own
    )


def libraries_of(code: Closure) -> list[str]:
    """Return the distributions that compute what the code makes, with those that every score depends on, sorted."""
    computing = {name for name in code.libraries if name not in CARRIERS}
    return sorted({*SCORING_LIBRARIES, *(distribution_of(name) for name in computing)})
