"""Reads the record of a home of before the table `decisions`: plans and decisions that only MLflow's tags held."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.registry.tag_names import PAST_PLAN_TAG, PLAN_TAG, RECORD_TAG
from mlops_assets.core.registry.tags import RegistryTags
from mlops_assets.core.registry.version import ModelVersion, model_version
from mlops_assets.core.release.decision import decisions_from_tags
from mlops_assets.core.release.plan import ReleasePlan
from mlops_assets.core.release.record import Entry, decision_entry, plan_entry


def entries_of_registry(
    tags: RegistryTags, product: str, *, stored_plans: Iterable[str], decisions_uri: str
) -> tuple[Entry, ...]:
    """Return what the registry's tags and the table `release` (its column `plan`) hold, oldest first.

    Plans keep their order, whatever their clocks said; decisions lie between them by their times.

    Raises: RegistryError when the tags mirror a table `decisions` that is not there: then it is the lakehouse that is
    missing, and what the mirror shows must not begin another one.
    """
    model = tags.model(product)
    if RECORD_TAG in model.tags:
        raise RegistryError(
            f"{product}: MLflow shows a release record ({model.tags[RECORD_TAG]}), but there is none at "
            f"{decisions_uri}: check MLOPS_TABLES_URI; to begin a new record on purpose, delete the tag {RECORD_TAG} "
            "of the registered model"
        )
    texts = [
        text for name, text in model.tags.items() if name == PLAN_TAG or name.startswith(f"{PAST_PLAN_TAG}/")
    ]
    plans = {plan.sequence: plan for plan in map(ReleasePlan.from_json, (*stored_plans, *texts))}
    found = {number: tags.version(product, number) for number in tags.versions(product)}
    versions = {n: model_version(product, entry) for n, entry in found.items() if entry is not None}
    return _in_order([plans[n] for n in sorted(plans)], versions)


def _in_order(plans: list[ReleasePlan], versions: Mapping[int, ModelVersion]) -> tuple[Entry, ...]:
    keyed: list[tuple[tuple[datetime, bool], Entry]] = []
    latest, told = None, set[int]()
    for plan in plans:
        latest = plan.since if latest is None else max(latest, plan.since)
        named = {arm.version for arm in plan.arms} & set(versions)
        entering = [versions[number] for number in sorted(named - told)]
        told |= named
        keyed.append(((latest, True), plan_entry(plan, entering)))
    for number, version in versions.items():
        decided = decisions_from_tags(version.tags)
        # A rollback and the rejections that belong to it are of the same instant.
        keyed += [
            ((decision.at, decision.kind == "rejected"), decision_entry(number, decision))
            for decision in decided
        ]
    return tuple(entry for _, entry in sorted(keyed, key=lambda one: one[0]))
