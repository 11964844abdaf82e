"""The versions that answer under one release plan, loaded and ready to score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlops_assets.core.errors import PackagingError
from mlops_assets.core.features.online.executor import OnlineFeatures
from mlops_assets.core.features.online.several_views import SeveralViews, Uncomputed
from mlops_assets.core.features.view import FeatureDoc, FeatureView
from mlops_assets.core.model.single_row import SingleRowScorer
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.online_store.kept_views import state_tags
from mlops_assets.core.release.plan import Arm, ReleasePlan
from mlops_assets.core.release.routing import Router
from mlops_assets.core.serving.prediction_record import ServedRole


@dataclass(frozen=True)
class LoadedVersion:
    """A registered version as it serves: its model, and the score from which it decides 1."""

    version: int
    model: TrainedModel
    threshold: float
    view: FeatureView | None = None
    """That the model was trained with; None is the service's own."""


class ScoringArm:
    """One version in its role; belongs to one thread, since its scorer does."""

    def __init__(
        self, loaded: LoadedVersion, *, role: ServedRole, names: Sequence[str], view_digest: str
    ) -> None:
        self.version = loaded.version
        self.role: ServedRole = role
        self.threshold = loaded.threshold
        self.model = loaded.model
        self.view_digest = view_digest
        self._scorer = SingleRowScorer(loaded.model)
        positions = [names.index(name) for name in loaded.model.feature_names]
        self._positions = None if positions == list(range(len(names))) else positions

    def vector(self, features: Sequence[float | None]) -> tuple[float | None, ...]:
        """Return the version's own features, in its model's order, of those of all arms.

        Raises: what kept the version's view from being computed, where another version's could be.
        """
        if self._positions is None:
            return tuple(features)
        vector = tuple([features[position] for position in self._positions])
        if type(vector[0]) is Uncomputed:
            raise vector[0].error
        return vector

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
        kept: Sequence[FeatureView] = (),
    ) -> None:
        """Make every arm ready; without a plan the only version answers everybody, under sequence 0.

        `view` is that of the versions that bring none of their own. Events go into the states of the views `kept`, too.

        product, versions: whose, by number. view: the service's. plan: what is released. kept: views beside the arms'.

        Raises: PackagingError when an arm's version is not among `versions`, or reads a feature that its view does not
        have; FeatureError when two views cannot serve at once.
        """
        self.plan = plan
        self.sequence = plan.sequence if plan is not None else 0
        arms = plan.arms if plan is not None else _only_arm(product, versions)
        loaded = {arm: _loaded(product, versions, arm) for arm in arms}
        champion_first = sorted(arms, key=_place)
        computed = _computed(product, [loaded[arm] for arm in champion_first], view)
        self.names = tuple(dict.fromkeys(name for _, names in computed.values() for name in names))
        """What is computed per event: the arms' features, in the views' order, the champion's view first."""
        self.views = tuple(one for one, _ in computed.values())
        """The feature views of the arms, each once, the champion's first."""
        beside = [(one, ()) for one in _with_own_states(kept, self.views)]
        self.features = (
            SeveralViews([*computed.values(), *beside])
            if len(computed) + len(beside) > 1
            else OnlineFeatures(self.views[0], self.names)
        )
        digests = {arm: (loaded[arm].view or view).digest for arm in arms}
        self._arms = {
            arm.role: ScoringArm(
                loaded[arm],
                role=arm.role,
                names=_places(computed, digests[arm]),
                view_digest=digests[arm],
            )
            for arm in arms
        }
        self.champion = self._arms["champion"]
        self.shadow = self._arms.get("shadow")
        self._router = Router(product, plan) if "challenger" in self._arms and plan is not None else None

    @property
    def arms(self) -> tuple[ScoringArm, ...]:
        """All arms, the champion first."""
        return tuple(sorted(self._arms.values(), key=_place))

    def describe(self, name: str) -> FeatureDoc:
        """The documentation of one of `names`, of the champion's view where that has it."""
        return next(view for view in self.views if name in view.feature_names).describe(name)

    def route(self, entity: int | str) -> ScoringArm:
        """Return the arm that answers `entity`."""
        return self.champion if self._router is None else self._arms[self._router.arm(entity).role]


def _place(arm: Arm | ScoringArm) -> tuple[bool, str]:
    """The champion comes first."""
    return arm.role != "champion", arm.role


def _with_own_states(kept: Sequence[FeatureView], views: Sequence[FeatureView]) -> list[FeatureView]:
    """The kept views that have states which no view before them has."""
    tags, beside = set(state_tags(views)), []
    for view in kept:
        if not tags >= (own := state_tags([view])):
            tags |= own
            beside.append(view)
    return beside


def _computed(
    product: str, versions: Sequence[LoadedVersion], own: FeatureView
) -> dict[str, tuple[FeatureView, tuple[str, ...]]]:
    """Each view that the versions need, by its digest, with the names of the features that any of them reads of it."""
    views: dict[str, FeatureView] = {}
    needed: dict[str, set[str]] = {}
    for loaded in versions:
        view = loaded.view or own
        views.setdefault(view.digest, view)
        needed.setdefault(view.digest, set()).update(loaded.model.feature_names)
    for digest, view in views.items():
        if unknown := sorted(needed[digest] - set(view.feature_names)):
            raise PackagingError(
                f"{product}: a released version reads {', '.join(unknown)}, which the feature view does not have"
            )
    return {
        digest: (view, tuple(name for name in view.feature_names if name in needed[digest]))
        for digest, view in views.items()
    }


def _places(computed: Mapping[str, tuple[FeatureView, tuple[str, ...]]], digest: str) -> list[str]:
    """The names of one view's features at the places where they are computed; "" at the places of other views."""
    return [name if one == digest else "" for one, (_, names) in computed.items() for name in names]


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
