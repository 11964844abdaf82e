"""Which versions a worker serves: those of the host's last good plan, or else the bento's own.

The follower writes the plan and its models beside it (`plan_follower`); a worker looks at one file's times.
"""

import logging
from pathlib import Path

from mlops_assets.core.errors import PackagingError, PlatformError, ServingError
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.serving.arms import LoadedVersion, ReleasedArms
from mlops_assets.core.serving.snapshot import ServingSnapshot, VersionOnDisk, snapshot_file
from serving.served_product import ServedProduct

POLL_SECONDS = 0.25
_log = logging.getLogger(__name__)


class LiveRelease:
    """Loads the arms that answer; a plan that cannot be loaded is refused, and the one before goes on."""

    def __init__(self, product: ServedProduct, own: LoadedVersion, *, serving_home: Path) -> None:
        """`own` is the bento's version, which answers until there is a plan."""
        self._product = product
        self._own = own
        self._file = snapshot_file(serving_home, product.name)
        self._seen: tuple[int, int, int] | None = None
        self._loaded = {own.model.digest: own.model}
        self.served: dict[int, VersionOnDisk] = {}
        """What the snapshot says of the arms' versions; empty without a plan."""
        self.problem: str | None = None
        """Why the newest plan is not followed; None when it is."""

    def first(self) -> ReleasedArms:
        """Return the arms to start with: those of the last good plan where it can be loaded, else the bento's own.

        Raises: PackagingError when not even the bento's own version fits the product's view.
        """
        planned = self.load() if self.is_changed() else None
        own = {self._own.version: self._own}
        return planned or ReleasedArms(self._product.name, self._product.view, own)

    def is_changed(self) -> bool:
        """Say whether the host's plan is another one than was last loaded or refused; takes some microseconds."""
        return self._times() not in (None, self._seen)

    def load(self) -> ReleasedArms | None:
        """Return the arms of the host's plan; None when it cannot be loaded, for the reason in `problem`."""
        self._seen = self._times()
        try:
            arms = self._load()
        except PlatformError as error:
            self.problem = str(error)
            _log.warning("%s: the new plan is not followed: %s", self._product.name, error)
            return None
        self.problem = None
        return arms

    def _times(self) -> tuple[int, int, int] | None:
        try:
            status = self._file.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino, status.st_size

    def _load(self) -> ReleasedArms:
        snapshot = ServingSnapshot.read(self._file)
        expected = self._product.view.digest
        for served in snapshot.versions.values():
            if served.view_digest != expected:
                raise ServingError(
                    f"version {served.version} was trained with feature view {served.view_digest[:12]}, this service "
                    f"computes {expected[:12]}: serve a bento that was built for it"
                )
        versions = {number: self._version(served) for number, served in snapshot.versions.items()}
        arms = ReleasedArms(self._product.name, self._product.view, versions, plan=snapshot.plan)
        self._loaded = {loaded.model.digest: loaded.model for loaded in versions.values()} | {
            self._own.model.digest: self._own.model
        }
        self.served = dict(snapshot.versions)
        return arms

    def _version(self, served: VersionOnDisk) -> LoadedVersion:
        model = self._loaded.get(served.digest)
        if model is None:
            model = TrainedModel.load(served.folder)
            if model.digest != served.digest:
                raise PackagingError(
                    f"version {served.version}: the model in {served.folder} has digest {model.digest[:12]}, not "
                    f"{served.digest[:12]}"
                )
        return LoadedVersion(served.version, model, served.threshold)
