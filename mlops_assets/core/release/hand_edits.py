"""What people deleted, moved or edited in MLflow of the versions that a release record has in its plan."""

from collections.abc import Mapping

from mlops_assets.core.registry.tag_names import RECORD_TAG
from mlops_assets.core.registry.tags import RegisteredEntry, RegistryTags
from mlops_assets.core.registry.version import FACT_WORDS, ModelVersion, edited_facts, find_version
from mlops_assets.core.release.mirror import ALIASES, Mirror
from mlops_assets.core.release.plan import Arm
from mlops_assets.core.release.record import ReleaseRecord

LONGEST_VALUE = 80
"""Characters of a fact that a message repeats."""


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

    Of the version to which a rollback returns, and of the newest one, they tell whether its facts were edited.

    Raises: RegistryError when the registry does not answer.
    """
    plan = record.standing
    arms = plan.arms if plan is not None else ()
    told = [_edited(record, arm, registry) for arm in arms if record.has_released(arm.version)]
    previous = plan.previous_champion if plan is not None else None
    others = {*registry.versions(record.product)[-1:], *([previous] if previous is not None else [])}
    told += [
        why_edited(record, number, registry) for number in sorted(others - {arm.version for arm in arms})
    ]
    return tuple(words for words in told if words)


def why_edited(record: ReleaseRecord, version: int, registry: RegistryTags) -> str | None:
    """Say that facts of a registered version were edited, and what to do; None when they were not, or it is not there.

    They are compared with what the record holds of it, or else with the copy that it was registered with.

    Raises: RegistryError when the registry does not answer.
    """
    if registry.version(record.product, version) is None:
        return None
    return refusal(record, find_version(registry, record.product, version))


def refusal(record: ReleaseRecord, found: ModelVersion) -> str | None:
    """Say why a version as the registry has it enters no plan: its facts were edited by hand; None when they were not.

    record: of the product; holds the facts of versions that had a part in a plan.
    """
    known = record.released_version(found.version).tags if record.has_released(found.version) else None
    edited = edited_facts(found) or edited_facts(found, known)
    if not edited:
        return None
    return (
        f"{_named(edited)} of version {found.version} {_were(edited)} edited in MLflow by hand, so that it is not what "
        f"was judged: {_put_back_facts(edited)}, or materialize {found.product}/model_version, which registers the "
        "candidate's model anew"
    )


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
    places = {
        "source": (known.model_uri, found.model_uri),
        "run id": (known.run_id, found.run_id),
    }
    edited: dict[str, str | None] = {
        **{name: before for name, (before, now) in places.items() if before != now},
        **edited_facts(found, known.tags),
    }
    if not edited:
        return None
    return (
        f"{_named(edited)} of version {arm.version}, the {arm.role}, {_were(edited)} edited there by hand; what runs "
        f"goes on with what the record holds: {_put_back_facts(edited)}, or release another version"
    )


def _named(edited: Mapping[str, str | None]) -> str:
    return " and ".join(FACT_WORDS.get(name, name) for name in edited)


def _were(edited: Mapping[str, str | None]) -> str:
    return "was" if len(edited) == 1 else "were"


def _put_back_facts(edited: Mapping[str, str | None]) -> str:
    """Say what to write back; a long value, as of libraries, by the name of its tag."""
    values = [
        f"{name} = {before}" if before is not None and len(before) <= LONGEST_VALUE else name
        for name, before in edited.items()
    ]
    return f"put back {', '.join(values)}"
