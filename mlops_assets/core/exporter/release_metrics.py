"""Numbers of what is released: versions, plan, and the ages of the model and of what it learned from."""

from collections.abc import Iterator

from mlops_assets.core.exporter.metric import Metric, Sample
from mlops_assets.core.registry.kept import require_kept
from mlops_assets.core.registry.open_tags import open_registry_tags
from mlops_assets.core.registry.tracking_location import sqlite_file
from mlops_assets.core.release.champion import as_of, champion_version
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.release.words import champion_since

VERSION = Metric(
    name="mlops_released_version",
    meaning="Number of the version that answers; none before the first release.",
)
RELEASED = Metric(
    name="mlops_released_timestamp_seconds",
    meaning="Since when the version that answers is the champion.",
)
TRAINED = Metric(
    name="mlops_model_registered_timestamp_seconds",
    meaning="When the version that answers was registered: the age of the model.",
)
DATA = Metric(
    name="mlops_model_data_timestamp_seconds",
    meaning="By when all that the version that answers learned from was known: the age of its data; none for a cohort.",
)
SEQUENCE = Metric(
    name="mlops_standing_plan_sequence",
    meaning="Number of the release plan that stands; a service that follows it shows the same number.",
)
TRIAL = Metric(
    name="mlops_standing_plan_trial_percent",
    meaning="Share of the entities that the version on trial answers, in per cent; 0 for a shadow; none without a "
    "trial.",
)
METRICS = (VERSION, RELEASED, TRAINED, DATA, SEQUENCE, TRIAL)
NEWEST_VERSION = Metric(
    name="mlops_newest_registered_version",
    meaning="Number of the newest version in the registry, released or not.",
)
REGISTRY_METRICS = (NEWEST_VERSION,)


def release_samples(product: str, control: ReleaseControl) -> Iterator[Sample]:
    """Yield the numbers of a product's release record; none before its first release.

    Raises: TableError when the lakehouse does not answer; RegistryError as `ReleaseControl.record` does.
    """
    record = control.record(product)
    plan, since, champion = record.standing, champion_since(record), champion_version(control, product)
    if plan is None or since is None:
        return
    yield SEQUENCE.of(plan.sequence, product)
    yield VERSION.of(plan.champion.version, product)
    yield RELEASED.of(since.since.timestamp(), product)
    if plan.other is not None:
        yield TRIAL.of(plan.other.percent, product)
    if champion is not None:
        yield TRAINED.of(champion.created_at.timestamp(), product)
        if (known_by := as_of(champion)) is not None:
            yield DATA.of(known_by.timestamp(), product)


def registry_samples(product: str, tracking_uri: str) -> Iterator[Sample]:
    """Yield the number of a product's newest version; none without one, or before there is a registry.

    Raises: RegistryError when the registry does not answer; RegistryGoneError when there was one.
    """
    require_kept(tracking_uri)
    file = sqlite_file(tracking_uri)
    if file is not None and not file.is_file():
        return
    numbers = open_registry_tags(tracking_uri).versions(product)
    if numbers:
        yield NEWEST_VERSION.of(numbers[-1], product)
