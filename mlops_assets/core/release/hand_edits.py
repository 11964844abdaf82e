"""What people deleted, moved or edited in MLflow of the versions that a release record has in its plan."""

from mlops_assets.core.registry.tag_names import RECORD_TAG
from mlops_assets.core.registry.tags import RegisteredEntry, RegistryTags
from mlops_assets.core.registry.version import ModelVersion, find_version
from mlops_assets.core.release.mirror import ALIASES, Mirror
from mlops_assets.core.release.plan import Arm
from mlops_assets.core.release.record import ReleaseRecord


def moved_aliases(record: ReleaseRecord, found: RegisteredEntry, registry: RegistryTags) -> tuple[str, ...]:
    """Return in words which aliases were moved: MLflow had been brought up to the record, and shows others since.

    A person moved it, or a writer of an older plan that was killed. An alias that is missing is not named: MLflow drops
    it with its version.

    Raises: RegistryError when the registry does not answer.
    """
    wanted = Mirror.of(record)
    if found.tags.get(RECORD_TAG) != wanted.tags[RECORD_TAG]:
        return ()
    moved = [
        alias
        for alias in ALIASES
        if alias in found.aliases and found.aliases[alias] != wanted.aliases.get(alias)
    ]
    return tuple(
        f"the alias {alias} stood on version {found.aliases[alias]}: "
        f"{_put_back(record, wanted.aliases.get(alias), registry)}"
        for alias in moved
    )


def edited_versions(record: ReleaseRecord, registry: RegistryTags) -> tuple[str, ...]:
    """Return in words which versions of the standing plan were deleted, or are not what they were when they entered it.

    Raises: RegistryError when the registry does not answer.
    """
    plan = record.standing
    arms = plan.arms if plan is not None else ()
    told = (_edited(record, arm, registry) for arm in arms if record.has_released(arm.version))
    return tuple(words for words in told if words)


def deleted(product: str, version: int, numbers: tuple[int, ...] | None) -> str:
    """Say that a version which the record knows is not in the registry, and what to do.

    numbers: those that the registry has; None: it did not say.
    """
    others = f"it has {', '.join(map(str, numbers))}" if numbers else "it has none"
    told = "" if numbers is None else f" ({others})"
    return (
        f"{product} has no version {version} any more, it was deleted in MLflow{told}: name another version, or "
        f"materialize {product}/model_version, which registers the candidate's model anew"
    )


def _put_back(record: ReleaseRecord, version: int | None, registry: RegistryTags) -> str:
    if version is None:
        return "it is removed, since no version is on trial"
    if registry.version(record.product, version) is None:
        return f"it is removed, since version {version} was deleted"
    return f"it is back on {version}"


def _edited(record: ReleaseRecord, arm: Arm, registry: RegistryTags) -> str | None:
    known = record.released_version(arm.version)
    if registry.version(record.product, arm.version) is None:
        return (
            f"version {arm.version}, the {arm.role}, was deleted there; what runs goes on with the record's copy, and "
            "no rollback can return to it: release another version"
        )
    found = find_version(registry, record.product, arm.version)
    edited = [name for name, before, now in _facts(known, found) if before != now]
    if not edited:
        return None
    return (
        f"{' and '.join(edited)} of version {arm.version}, the {arm.role}, were edited there by hand; what runs goes "
        "on with what the record holds: put them back, or release another version"
    )


def _facts(known: ModelVersion, found: ModelVersion) -> tuple[tuple[str, str, str], ...]:
    return (
        ("source", known.model_uri, found.model_uri),
        ("run id", known.run_id, found.run_id),
        ("digest", known.digest, found.digest),
    )
