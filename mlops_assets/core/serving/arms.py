"""The versions that answer under one release plan, loaded and ready to score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlops_assets.core.errors import PackagingError
from mlops_assets.core.features.online.executor import OnlineFeatures
from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.model.single_row import SingleRowScorer
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.release.plan import Arm, ReleasePlan
from mlops_assets.core.release.routing import Router
from mlops_assets.core.serving.prediction_record import ServedRole


@dataclass(frozen=True)
class LoadedVersion:
    """A registered version as it serves: its model, and the score from which it decides 1."""

    version: int
    model: TrainedModel
    threshold: float


class ScoringArm:
    """One version in its role; belongs to one thread, since its scorer does."""

    def __init__(self, loaded: LoadedVersion, *, role: ServedRole, names: Sequence[str]) -> None:
        self.version = loaded.version
        self.role: ServedRole = role
        self.threshold = loaded.threshold
        self.model = loaded.model
        self._scorer = SingleRowScorer(loaded.model)
        positions = [names.index(name) for name in loaded.model.feature_names]
        self._positions = None if positions == list(range(len(names))) else positions

    def vector(self, features: Sequence[float | None]) -> tuple[float | None, ...]:
        """Return the version's own features, in its model's order, of those of all arms."""
        if self._positions is None:
            return tuple(features)
        return tuple([features[position] for position in self._positions])

    def score(self, vector: Sequence[float | None]) -> float:
        """Return the calibrated probability of outcome 1; see `SingleRowScorer.score`."""
        return self._scorer.score(vector)


class ReleasedArms:
    """All arms of a plan, and the features that any of them reads; belongs to one thread."""

    def __init__(
        self,
        product: str,
        view: FeatureView,
        versions: Mapping[int, LoadedVersion],
        *,
        plan: ReleasePlan | None = None,
    ) -> None:
        """Make every arm ready; without a plan the only version answers everybody, under sequence 0.

        Raises: PackagingError when an arm's version is not among `versions`, or reads a feature that the view does not
        have.
        """
        self.plan = plan
        self.sequence = plan.sequence if plan is not None else 0
        arms = plan.arms if plan is not None else _only_arm(product, versions)
        needed = {name for arm in arms for name in _loaded(product, versions, arm).model.feature_names}
        if unknown := sorted(needed - set(view.feature_names)):
            raise PackagingError(
                f"{product}: a released version reads {', '.join(unknown)}, which the feature view does not have"
            )
        self.names = tuple(name for name in view.feature_names if name in needed)
        """What is computed per event: the union of the arms' features, in the view's order."""
        self.features = OnlineFeatures(view, self.names)
        self._arms = {
            arm.role: ScoringArm(_loaded(product, versions, arm), role=arm.role, names=self.names)
            for arm in arms
        }
        self.champion = self._arms["champion"]
        self.shadow = self._arms.get("shadow")
        self._router = Router(product, plan) if "challenger" in self._arms and plan is not None else None

    @property
    def arms(self) -> tuple[ScoringArm, ...]:
        """All arms, the champion first."""
        return tuple(sorted(self._arms.values(), key=lambda arm: arm.role))

    def route(self, entity: int | str) -> ScoringArm:
        """Return the arm that answers `entity`."""
        return self.champion if self._router is None else self._arms[self._router.arm(entity).role]


def _only_arm(product: str, versions: Mapping[int, LoadedVersion]) -> tuple[Arm, ...]:
    if len(versions) != 1:
        raise PackagingError(
            f"{product}: without a release plan exactly one version serves, not {sorted(versions)}"
        )
    return (Arm(next(iter(versions)), 100, "champion"),)


def _loaded(product: str, versions: Mapping[int, LoadedVersion], arm: Arm) -> LoadedVersion:
    if arm.version not in versions:
        raise PackagingError(
            f"{product}: the plan names version {arm.version}, but loaded are {sorted(versions)}"
        )
    return versions[arm.version]
