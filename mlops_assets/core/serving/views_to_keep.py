"""Which feature views an online store keeps the states of: those by which a service may have to answer."""

from collections.abc import Iterator, Mapping, Sequence

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.registry.mlflow_client import answering_registry
from mlops_assets.core.registry.tag_names import VIEW_TAG
from mlops_assets.core.registry.version import ModelVersion
from mlops_assets.core.registry.version_view import version_view
from mlops_assets.core.release.control import ReleaseControl

KEPT_PLANS = 5
"""Views of the latest plans stay, so that a rollback, and a service that follows late, find their states."""


def views_to_keep(
    control: ReleaseControl, product: str, *, declared: FeatureView, known: Sequence[FeatureView] = ()
) -> tuple[FeatureView, ...]:
    """Return the declared view, and those of the latest plans' versions and of the newest version; each once.

    control, product: whose. declared: comes first. known: views that need not be fetched, such as those that the store
    has already; then the registry is asked for the newest version alone, and may be away.

    Raises: RegistryError when the view of a version in the standing plan cannot be fetched.
    """
    record = control.record(product)
    found: dict[str, FeatureView] = {declared.digest: declared}
    held: Mapping[str, FeatureView] = {view.digest: view for view in known}
    standing = {arm.version for arm in record.standing.arms} if record.standing is not None else set()
    for version in _versions(control, product):
        digest = version.tags.get(VIEW_TAG, declared.digest)
        if digest in found:
            continue
        try:
            found[digest] = held.get(digest) or _fetched(control, version, declared)
        except RegistryError:
            if version.version in standing:
                raise
    return tuple(found.values())


def _versions(control: ReleaseControl, product: str) -> Iterator[ModelVersion]:
    """The versions of the latest plans, the newest plan's first, then the newest version that is registered."""
    record = control.record(product)
    plans = record.plans[: -KEPT_PLANS - 1 : -1]
    numbers = dict.fromkeys(arm.version for plan in plans for arm in plan.arms)
    if plans and plans[0].previous_champion is not None:
        numbers[plans[0].previous_champion] = None
    for number in numbers:
        if record.has_released(number):
            yield record.released_version(number)
    try:
        yield control.newest(product)
    except RegistryError:  # none is registered yet, or the registry is away
        return


def _fetched(control: ReleaseControl, version: ModelVersion, declared: FeatureView) -> FeatureView:
    with answering_registry(control.tracking_uri):
        return version_view(control.tracking_uri, version, declared=declared)
