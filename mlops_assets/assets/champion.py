"""The released version of a product, with what scoring and monitoring need to know of it."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.product import Product
from mlops_assets.core.registry.registry import ModelRegistry
from mlops_assets.core.registry.version import AS_OF_TAG, EVALUATION_TAG, THRESHOLD_TAG, TRAINING_SET_TAG
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets.resources.tracking import TrackingResource


@dataclass(frozen=True)
class Champion:
    """The version that answers, and the tables that it was made and judged on."""

    version: int
    model: TrainedModel
    threshold: float
    training_set_version: int
    evaluation_version: int
    as_of: datetime | None


def load_champion(tracking: TrackingResource, product: Product) -> Champion:
    """Load the released version from the registry.

    Raises: RegistryError when nothing was released yet, or the version was not registered by this platform.
    """
    registry = ModelRegistry(tracking.tracking_uri)
    version = registry.champion(product.name)
    if version is None:
        raise RegistryError(
            f"{product.name} has no released version: materialize {product.name}/release, and see in its page what "
            "stands in the way"
        )
    missing = [tag for tag in (THRESHOLD_TAG, TRAINING_SET_TAG, EVALUATION_TAG) if tag not in version.tags]
    if missing:
        raise RegistryError(f"{product.name} version {version.version} lacks the tags {', '.join(missing)}")
    as_of = version.tags.get(AS_OF_TAG)
    return Champion(
        version=version.version,
        model=registry.load(product.name, version.version),
        threshold=float(version.tags[THRESHOLD_TAG]),
        training_set_version=int(version.tags[TRAINING_SET_TAG]),
        evaluation_version=int(version.tags[EVALUATION_TAG]),
        as_of=datetime.fromisoformat(as_of) if as_of else None,
    )


def versions_as_of(tracking: TrackingResource, product: Product) -> dict[int, datetime | None]:
    """Return for every registered version the time by which what it was made from was known; None for a cohort."""
    tags = {
        v.version: v.tags.get(AS_OF_TAG) for v in ModelRegistry(tracking.tracking_uri).versions(product.name)
    }
    return {version: datetime.fromisoformat(as_of) if as_of else None for version, as_of in tags.items()}


def reference_rows(
    lakehouse: LakehouseResource, product: Product, champion: Champion, *, at_most: int | None = None
) -> pl.DataFrame:
    """Rows of the champion's training set that its trees were not fitted on, with its `score`; a sample of `at_most`.

    Scores of rows that a model was fitted on are sharper than those of new ones, and would look like drift. With a
    time axis these are the test rows, the newest; for a cohort, whose test rows are scored, the validation rows.
    """
    split = "test" if product.spec.time else "validation"
    rows = (
        lakehouse.tables.scan(product.name, "training_set", version=champion.training_set_version)
        .filter(pl.col("split") == split)
        .select(product.spec.id_column, *champion.model.feature_names)
        .collect()
    )
    if at_most is not None and at_most < rows.height:
        rows = rows.sample(at_most, seed=0)
    return rows.with_columns(score=pl.Series(champion.model.predict(rows), dtype=pl.Float64))
