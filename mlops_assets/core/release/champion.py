"""The released version of a product, with what scoring and monitoring need to know of it."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.features.view import FEATURE_VIEW, FeatureView
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.product import Product
from mlops_assets.core.registry.artifacts import load_model
from mlops_assets.core.registry.learned_rows import held_out_rows
from mlops_assets.core.registry.registry import ModelRegistry
from mlops_assets.core.registry.tag_names import (
    AS_OF_TAG,
    EVALUATION_TAG,
    HELD_OUT_TAG,
    THRESHOLD_TAG,
    TRAINING_SET_TAG,
    VIEW_TAG,
)
from mlops_assets.core.registry.version import ModelVersion
from mlops_assets.core.registry.version_view import version_view
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.times import UTC_TIME


@dataclass(frozen=True)
class Champion:
    """The version that answers, with the facts that it was registered with."""

    registered: ModelVersion
    tracking_uri: str
    """Of the registry, and of the run that made it."""
    held_out: str | None
    """Digest of the rows of its training set that its trees were not fitted on; None for a version of before it was
    stored.
    """
    version: int
    model: TrainedModel
    threshold: float
    view: FeatureView
    """What its features are; not always what the product declares now."""
    training_set_version: int
    evaluation_version: int
    as_of: datetime | None

    @property
    def facts(self) -> tuple[object, ...]:
        """What a score of it depends on besides the row, and how it is labelled."""
        return (self.version, self.model.digest, self.threshold, self.view.digest, self.as_of)


def champion_version(control: ReleaseControl, product: str) -> ModelVersion | None:
    """Return the version that answers, as it was when it entered the plan; None before the first release."""
    record = control.record(product)
    plan = record.standing
    return record.released_version(plan.champion.version) if plan is not None else None


def load_champion(control: ReleaseControl, product: str, *, declared_view: FeatureView) -> Champion:
    """Load the released version's model and view, with the facts that the release record holds of it.

    Raises: RegistryError when nothing was released yet, the version was not registered by this platform, its model
    cannot be fetched, or its view was not stored and is another than `declared_view`.
    """
    version = champion_version(control, product)
    if version is None:
        raise RegistryError(
            f"{product} has no released version: materialize {product}/release, and see in its page what stands in the "
            "way"
        )
    missing = [tag for tag in (THRESHOLD_TAG, TRAINING_SET_TAG, EVALUATION_TAG) if tag not in version.tags]
    if missing:
        raise RegistryError(f"{product} version {version.version} lacks the tags {', '.join(missing)}")
    run_tags = ModelRegistry(control.tracking_uri).run_tags(version.run_id)
    return Champion(
        registered=version,
        tracking_uri=control.tracking_uri,
        held_out=run_tags.get(HELD_OUT_TAG),
        version=version.version,
        model=load_model(control.tracking_uri, version.model_uri, digest=version.digest),
        threshold=float(version.tags[THRESHOLD_TAG]),
        view=version_view(control.tracking_uri, version, declared=declared_view),
        training_set_version=int(version.tags[TRAINING_SET_TAG]),
        evaluation_version=int(version.tags[EVALUATION_TAG]),
        as_of=as_of(version),
    )


def as_of(version: ModelVersion) -> datetime | None:
    """Return the time by which what the version was made from was known; None for a cohort."""
    text = version.tags.get(AS_OF_TAG)
    return datetime.fromisoformat(text) if text else None


def made_from(registry: ModelRegistry, product: str) -> pl.DataFrame:
    """Return what every registered version was made from.

    One row per version: `model_version`, `model_as_of` (by when all of it was known, null for a cohort) and
    `feature_view` (digest of its view, null for a version that this platform did not register).
    """
    versions = registry.versions(product)
    return pl.DataFrame(
        {
            "model_version": [version.version for version in versions],
            "model_as_of": [as_of(version) for version in versions],
            FEATURE_VIEW: [version.tags.get(VIEW_TAG) for version in versions],
        },
        schema={"model_version": pl.Int64, "model_as_of": UTC_TIME, FEATURE_VIEW: pl.String},
    )


def champion_held_out(tables: DeltaTables, product: Product, champion: Champion) -> pl.DataFrame:
    """Return the validation and test rows of the champion's training set, as they were when it was made.

    Raises: RegistryError when the table holds them no more.
    """
    return held_out_rows(
        tables,
        product.name,
        version=champion.training_set_version,
        digest=champion.held_out,
        id_column=product.spec.id_column,
    )


def reference_rows(
    tables: DeltaTables, product: Product, champion: Champion, *, at_most: int | None = None
) -> pl.DataFrame:
    """Rows of the champion's training set that its trees were not fitted on, with its `score`; a sample of `at_most`.

    Scores of rows that a model was fitted on are sharper than those of new ones, and would look like drift. With a
    time axis these are the test rows, the newest; for a cohort, whose test rows are scored, the validation rows.
    """
    split = "test" if champion.as_of is not None else "validation"
    rows = (
        champion_held_out(tables, product, champion)
        .filter(pl.col("split") == split)
        .select(product.spec.id_column, *champion.model.feature_names)
    )
    if at_most is not None and at_most < rows.height:
        rows = rows.sample(at_most, seed=0)
    return rows.with_columns(score=pl.Series(champion.model.predict(rows), dtype=pl.Float64))
