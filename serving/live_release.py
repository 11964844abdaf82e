"""Which versions a worker serves, those of the host's last good plan or else the bento's, and whose states it keeps.

The follower writes the plan and its models beside it (`plan_follower`); a worker looks at one file's times.
"""

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from mlops_assets.core.contracts.contract import describe_columns
from mlops_assets.core.errors import PackagingError, PlatformError, ServingError
from mlops_assets.core.features.online.executor import OnlineFeatures
from mlops_assets.core.features.online.layout import empty_key
from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.online_store.kept_views import kept_views
from mlops_assets.core.online_store.load import is_loaded
from mlops_assets.core.online_store.protocol import OnlineStore
from mlops_assets.core.release.plan import ReleasePlan
from mlops_assets.core.serving.arms import LoadedVersion, ReleasedArms
from mlops_assets.core.serving.host.seen_plans import SeenPlans, seen_file
from mlops_assets.core.serving.host.snapshot import ServingSnapshot, VersionOnDisk, snapshot_file
from mlops_assets.core.serving.host.views_on_disk import VIEWS_FOLDER, read_view
from mlops_assets.core.times import KNOWN_AT
from serving.served_product import ServedProduct

POLL_SECONDS = 0.25
STORE_POLL_SECONDS = 1.0
"""Between looks at which views the store keeps. A load of a new view waits longer, see `online_features`."""
FIRST_LOOK_SECONDS = 0.05
"""Between looks before the first answer of the store: the service is to know its views before it scores."""
RETRY_SECONDS = 5.0
"""A plan whose views have no online state yet is tried again then."""
_log = logging.getLogger(__name__)


class _NotLoadedError(ServingError):
    """A view has no online state yet; it may have one any time."""


class LiveRelease:
    """Loads the arms that answer; a plan that cannot be loaded is refused, and the one before goes on."""

    def __init__(
        self,
        product: ServedProduct,
        own: Callable[[], LoadedVersion],
        *,
        serving_home: Path,
        open_store: Callable[[], OnlineStore],
        begins: Callable[[int], None] = lambda _: None,
    ) -> None:
        """`own` loads the bento's version, which answers where no plan can be had.

        `open_store` opens the product's store, to see whether another view has online state there. `begins` is told the
        sequence of a plan before its models are loaded.
        """
        self._open_store = open_store
        self._begins = begins
        self._retry_at: float | None = None
        self._product = product
        self._own = own
        self._file = snapshot_file(serving_home, product.name)
        self._seen: tuple[int, int, int] | None = None
        self._loaded: dict[str, TrainedModel] = {}
        self._good: tuple[ReleasePlan | None, Mapping[int, LoadedVersion]] | None = None
        self._kept: dict[str, FeatureView] = {}
        self._kept_served: dict[str, FeatureView] = {}
        self.served: dict[int, VersionOnDisk] = {}
        """What the snapshot says of the arms' versions; empty without a plan."""
        self.is_store_read = product.view.event_timestamp is None
        """Whether the store has said which views it keeps; a product without states has none."""
        self.problem: str | None = None
        """Why the newest plan is not followed; None when it is."""

    def first(self) -> ReleasedArms:
        """Return the arms to start with: those of the host's plan where it can be loaded, else of the last one that
        worked here, else the bento's own.

        Raises: PackagingError when not even the bento's own version fits the product's view.
        """
        self.look_at_store()
        planned = self.load() if self.has_plan else None
        return planned or self._last_that_worked() or self._arms()

    @property
    def has_plan(self) -> bool:
        """Whether the host has a plan; it may be one that cannot be loaded."""
        return self._times() is not None

    def is_changed(self) -> bool:
        """Say whether the host's plan, or the views that the store keeps, are other ones than were last loaded or
        refused; takes some microseconds.

        A plan that waits for online state is another one every RETRY_SECONDS.
        """
        if self._retry_at is not None and time.monotonic() >= self._retry_at:
            return True
        return self._times() not in (None, self._seen) or self._keeps_others

    def waiting_plan(self) -> int | None:
        """Return the sequence of a plan that `load` would load the models of; None when it would load none, or the plan
        cannot be read.
        """
        if self._is_same_plan:
            return None
        try:
            return ServingSnapshot.read(self._file).plan.sequence
        except ServingError:
            return None

    def look_at_store(self) -> None:
        """Read which views the store keeps; while it does not answer, they are those of before."""
        if self._product.view.event_timestamp is None:
            return
        store = self._open_store()
        try:
            kept = kept_views(store)
        except ServingError as error:
            _log.info("%s: the views of the store cannot be read: %s", self._product.name, error)
            return
        finally:
            store.close()
        self._kept = {view.digest: view for view in kept if self._can_keep(view)}
        self.is_store_read = True

    def load(self) -> ReleasedArms | None:
        """Return the arms of the host's plan, or of the one before where only the store's views have changed; None
        when the plan cannot be loaded, for the reason in `problem`.
        """
        is_same_plan = self._is_same_plan
        self._seen, self._retry_at = self._times(), None
        if is_same_plan:
            return self._arms()
        try:
            plan, versions, served = self._planned(ServingSnapshot.read(self._file))
            arms = self._arms(plan, versions)
        except Exception as error:  # of a library, too: the plan before must go on
            is_known = isinstance(error, PlatformError)
            if not is_known or isinstance(error, _NotLoadedError):
                self._retry_at = time.monotonic() + RETRY_SECONDS
            told = str(error) if is_known else repr(error)
            if told != self.problem:
                _log.warning(
                    "%s: the new plan is not followed: %s", self._product.name, told, exc_info=not is_known
                )
            self.problem = told
            return self._arms() if self._keeps_others else None
        self.problem, self.served, self._good = None, served, (plan, versions)
        self._loaded = {one.model.digest: one.model for one in versions.values()}
        return arms

    def _times(self) -> tuple[int, int, int] | None:
        try:
            status = self._file.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino, status.st_size

    @property
    def _keeps_others(self) -> bool:
        """Whether the store keeps other views than the arms that answer."""
        return self._kept.keys() != self._kept_served.keys()

    @property
    def _is_same_plan(self) -> bool:
        return self._times() in (None, self._seen) and self._retry_at is None

    def _last_that_worked(self) -> ReleasedArms | None:
        """The arms of the last plan that worked on this host; None where there is none, or it cannot be loaded now."""
        try:
            snapshot = SeenPlans.read(seen_file(self._file.parent.parent, self._product.name)).last_good()
            if snapshot is None:
                return None
            plan, versions, served = self._planned(snapshot)
            arms = self._arms(plan, versions)
        except PlatformError as error:
            _log.warning("%s: the last plan that worked cannot be loaded: %s", self._product.name, error)
            return None
        self.served, self._good = served, (plan, versions)
        return arms

    def _planned(
        self, snapshot: ServingSnapshot
    ) -> tuple[ReleasePlan, dict[int, LoadedVersion], dict[int, VersionOnDisk]]:
        self._begins(snapshot.plan.sequence)
        versions = {number: self._version(served) for number, served in snapshot.versions.items()}
        return snapshot.plan, versions, dict(snapshot.versions)

    def _arms(
        self, plan: ReleasePlan | None = None, versions: Mapping[int, LoadedVersion] | None = None
    ) -> ReleasedArms:
        """Make the arms of a plan, by default of the last good one; events go into the states of all kept views."""
        if versions is None:
            plan, versions = self._good = self._good or self._bentos_own()
        kept = self._kept
        arms = ReleasedArms(
            self._product.name, self._product.view, versions, plan=plan, kept=list(kept.values())
        )
        self._kept_served = kept
        return arms

    def _bentos_own(self) -> tuple[None, dict[int, LoadedVersion]]:
        own = self._own()
        return None, {own.version: own}

    def _version(self, served: VersionOnDisk) -> LoadedVersion:
        model = self._loaded.get(served.digest)
        if model is None:
            model = TrainedModel.load(served.folder)
            if model.digest != served.digest:
                raise PackagingError(
                    f"version {served.version}: the model in {served.folder} has digest {model.digest[:12]}, not "
                    f"{served.digest[:12]}"
                )
        return LoadedVersion(served.version, model, served.threshold, self._view(served))

    def _view(self, served: VersionOnDisk) -> FeatureView | None:
        """The view that the version brings; None for the service's own.

        Raises: ServingError when requests or the store do not have what it needs; FeatureError when it is not there.
        """
        own = self._product.view
        if served.view_digest == own.digest:
            return None
        view = read_view(self._file.parent / VIEWS_FOLDER, served.view_digest)
        if lacking := self._lacking(view):
            raise ServingError(
                f"version {served.version} was trained with feature view {view.digest[:12]}, which reads "
                f"{', '.join(lacking)}: requests to this service have no such columns; serve a bento that was built "
                "for it"
            )
        if view.window_features and empty_key(view) != empty_key(own) and not self._has_states(view):
            raise _NotLoadedError(
                f"version {served.version} was trained with feature view {view.digest[:12]}, for which the online "
                f"store has no state: materialize {self._product.name}/online_features"
            )
        return view

    def _has_states(self, view: FeatureView) -> bool:
        store = self._open_store()
        try:
            return is_loaded(store, view)
        finally:
            store.close()

    def _lacking(self, view: FeatureView) -> list[str]:
        """Columns that the view reads and requests to this service do not have."""
        carried = {doc.name for doc in describe_columns(self._product.event_schema) if not doc.is_outcome}
        return sorted(set(view.input_columns) - carried - {KNOWN_AT})

    def _can_keep(self, view: FeatureView) -> bool:
        """Whether events of this service can go into the view's states; one that cannot stops no request."""
        own = self._product.view
        if (view.id_column, view.event_timestamp) != (own.id_column, own.event_timestamp):
            return False
        try:
            OnlineFeatures(view, ())
        except PlatformError as error:
            _log.warning("%s: the states of a view are not kept: %s", self._product.name, error)
            return False
        return not self._lacking(view)
