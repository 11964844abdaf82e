"""Where release plans stand: the control plane's one fact per product, changed by compare-and-set.

Loads no MLflow where the registry is a SQLite file, so that a rollback takes a fraction of a second.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.registry.tags import (
    RegistryChange,
    RegistryEntry,
    RegistryTags,
    open_registry_tags,
)
from mlops_assets.core.registry.version import (
    DIGEST_TAG,
    Decision,
    ModelVersion,
    decision_to_tag,
    decisions_from_tags,
    verdicts_from_tags,
)
from mlops_assets.core.release.plan import ReleasePlan

PLAN_TAG = "mlops/release_plan"
PAST_PLAN_TAG = "mlops/past_plan"
"""Prefix; `mlops/past_plan/<sequence>` holds a plan that stood before, until the table `release` has it."""


@dataclass(frozen=True)
class ReleaseControl:
    """The release plans of all products in one registry."""

    tags: RegistryTags

    @classmethod
    def at(cls, tracking_uri: str) -> "ReleaseControl":
        """Open the registry at `tracking_uri`.

        Raises: RegistryError when it does not exist or does not answer.
        """
        return cls(open_registry_tags(tracking_uri))

    def standing(self, product: str) -> ReleasePlan | None:
        """Return the plan as it stands; None before the first release.

        Raises: RegistryError when the stored plan cannot be read.
        """
        text = self.tags.model_tags(product).get(PLAN_TAG)
        return ReleasePlan.from_json(text) if text is not None else None

    def plans(self, product: str) -> tuple[ReleasePlan, ...]:
        """Return the standing plan and those before it that the registry still holds, oldest first."""
        tags = self.tags.model_tags(product)
        texts = [
            text for name, text in tags.items() if name == PLAN_TAG or name.startswith(f"{PAST_PLAN_TAG}/")
        ]
        by_sequence = {plan.sequence: plan for plan in map(ReleasePlan.from_json, texts)}
        return tuple(plan for _, plan in sorted(by_sequence.items()))

    def version(self, product: str, version: int) -> ModelVersion:
        """Return one version with its verdicts and decisions.

        Raises: RegistryError when there is none of that number.
        """
        found = self.tags.version(product, version)
        if found is None:
            raise RegistryError(
                f"{product} has no version {version}; `mlops status {product}` names the newest"
            )
        return model_version(product, found)

    def newest(self, product: str) -> ModelVersion:
        """Return the newest version.

        Raises: RegistryError when the product has none yet.
        """
        number = self.tags.newest_version(product)
        if number is None:
            raise RegistryError(
                f"{product} has no registered version: materialize {product}/model_version first"
            )
        return self.version(product, number)

    def write(
        self,
        product: str,
        plan: ReleasePlan,
        *,
        standing: ReleasePlan | None,
        decisions: Mapping[int, Decision] | None = None,
    ) -> None:
        """Put `plan` in the place of `standing`, with the aliases and people's decisions that belong to it.

        The plan before is kept as a past plan in the same step, so that no plan is ever lost, whoever made it and
        wherever a process dies. The same plan again changes nothing but an alias that a killed process left behind.

        Raises: RegistryError when `standing` no longer stands, `plan` does not follow it, or names a version that
        is unknown.
        """
        expected = standing.sequence + 1 if standing is not None else 1
        if plan != standing and plan.sequence != expected:
            raise RegistryError(_changed_meanwhile(product, plan))
        for arm in plan.arms:
            self.version(product, arm.version)
        change = RegistryChange(
            guard=(PLAN_TAG, standing.to_json() if standing is not None else None),
            model_tags=_plan_tags(plan, standing),
            aliases=_aliases(plan),
            version_tags={
                version: dict([decision_to_tag(decision)]) for version, decision in (decisions or {}).items()
            },
        )
        if not self.tags.change(product, change):
            raise RegistryError(_changed_meanwhile(product, plan))

    def forget_past_plans(self, product: str, *, before: int) -> None:
        """Remove past plans of smaller sequence numbers, which the table `release` holds."""
        tags = self.tags.model_tags(product)
        names = [name for name in tags if name.startswith(f"{PAST_PLAN_TAG}/")]
        old = {name: None for name in names if int(name.rsplit("/", 1)[1]) < before}
        if old:
            self.tags.change(product, RegistryChange(guard=(PLAN_TAG, tags.get(PLAN_TAG)), model_tags=old))


def model_version(product: str, entry: RegistryEntry) -> ModelVersion:
    """Return what the registry's entry says, read by the platform's own tags."""
    return ModelVersion(
        product=product,
        version=entry.version,
        run_id=entry.run_id,
        model_uri=entry.model_uri,
        digest=entry.tags.get(DIGEST_TAG, ""),
        created_at=entry.created_at,
        aliases=entry.aliases,
        verdicts=verdicts_from_tags(entry.tags),
        decisions=decisions_from_tags(entry.tags),
        tags=dict(entry.tags),
    )


def _plan_tags(plan: ReleasePlan, standing: ReleasePlan | None) -> dict[str, str]:
    if standing is None or plan == standing:
        return {PLAN_TAG: plan.to_json()}
    return {f"{PAST_PLAN_TAG}/{standing.sequence:06d}": standing.to_json(), PLAN_TAG: plan.to_json()}


def _aliases(plan: ReleasePlan) -> dict[str, int | None]:
    other = plan.other
    return {"champion": plan.champion.version, "challenger": other.version if other else None}


def _changed_meanwhile(product: str, plan: ReleasePlan) -> str:
    return (
        f"{product}: the release plan was changed meanwhile, so that plan {plan.sequence} was not written: read the "
        "plan and decide again"
    )
