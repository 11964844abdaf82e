"""Follows the release plan of one product for all services of a host: `python -m serving.plan_follower PRODUCT`.

The only part of serving that reads the release record and fetches models from the registry, in a process of its own
and out of every request's way. It puts the models of the plan on disk and then, in one step, the snapshot that workers
read. Whatever goes wrong, the last good snapshot stays.
"""

import argparse
import fcntl
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TextIO

from mlops_assets.core.errors import PlatformError, RegistryError, ServingError
from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.masking import masked
from mlops_assets.core.model.libraries import libraries_from_json
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.registry.mlflow_client import give_up_soon
from mlops_assets.core.registry.tag_names import LIBRARIES_TAG, THRESHOLD_TAG, VIEW_TAG
from mlops_assets.core.registry.version import ModelVersion
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.release.plan import ReleasePlan
from mlops_assets.core.release.record import ReleaseRecord
from mlops_assets.core.serving.follower_status import FollowerStatus, status_file
from mlops_assets.core.serving.models_on_disk import ServedModels
from mlops_assets.core.serving.snapshot import MODELS_FOLDER, ServingSnapshot, VersionOnDisk, snapshot_file
from mlops_assets.core.serving.views_on_disk import VIEWS_FOLDER, ServedViews
from mlops_assets.core.settings import load_settings
from serving.served_product import product_view

LOOK_SECONDS = 0.5
"""Between looks at a record in a folder; one that finds nothing new takes some microseconds of a core."""
REMOTE_LOOK_SECONDS = 2.0
"""Between looks at a record in an object store; each lists what is new in the table's log, one request."""
KEPT_PLANS = 5
"""Models of so many plans stay on disk, so that a rollback fetches nothing."""
LOCK_FILE = "follower.lock"
RETRY_AFTER = timedelta(seconds=10)
"""A plan that could not be followed is tried again then; another plan at once."""
_logger = logging.getLogger(__name__)


@dataclass
class PlanFollower:
    """The follower of one product; `look` is one turn of it."""

    product: str
    control: ReleaseControl
    serving_home: Path
    view_digest: str
    """Of the feature view that this host's services declare; a version with another brings its own."""
    status: FollowerStatus = field(default_factory=FollowerStatus)
    _models: ServedModels = field(init=False)
    _views: ServedViews = field(init=False)
    _installed: tuple[ServingSnapshot, tuple[int, int]] | None = None
    """The snapshot that this process wrote, and the file's state then."""
    _failed: tuple[ReleasePlan, datetime] | None = None
    """The plan that could not be followed, and when it is tried again."""

    def __post_init__(self) -> None:
        self._models = ServedModels(self._folder / MODELS_FOLDER, self._fetch)
        self._views = ServedViews(self._folder / VIEWS_FOLDER, self._fetch_view)

    def look(self, now: datetime) -> FollowerStatus:
        """Follow the plan that stands if it is not the snapshot's; say how it went, also in the status file.

        An error of the lakehouse, the registry or a version is no error of the follower: the last good snapshot stays,
        and the status says why. It is logged once.
        """
        before = self.status
        try:
            plan = self._follow(now)
            self.status = FollowerStatus(plan.sequence, now, None)
            self._failed = None
        except (PlatformError, OSError) as error:
            self.status = replace(before, plan_sequence=self._sequence(), last_error=str(error))
        if self.status.last_error and self.status.last_error != before.last_error:
            _logger.warning("%s: the last good plan stays: %s", self.product, self.status.last_error)
        self.status.write(status_file(self.serving_home, self.product))
        return self.status

    @property
    def _snapshot_file(self) -> Path:
        return snapshot_file(self.serving_home, self.product)

    @property
    def _folder(self) -> Path:
        return self.serving_home / self.product

    def _follow(self, now: datetime) -> ReleasePlan:
        record = self.control.record(self.product)
        plan = record.standing
        if plan is None:
            raise RegistryError(
                f"{self.product} has no release plan below {masked(self.control.tables_uri)}: materialize "
                f"{self.product}/release, or set MLOPS_TABLES_URI to the lakehouse that holds it"
            )
        if self._is_installed(plan):
            return plan
        if self._failed is not None and self._failed[0] == plan and now < self._failed[1]:
            raise ServingError(self.status.last_error or "")
        self._failed = (plan, now + RETRY_AFTER)
        self._install(record, plan)
        return plan

    def _is_installed(self, plan: ReleasePlan) -> bool:
        """Tell whether the snapshot is of this plan and it and its models are as they were written; reads no file."""
        if self._installed is None:
            return False
        snapshot, state = self._installed
        is_same = snapshot.plan == plan and _state(self._snapshot_file) == state
        return is_same and self._models.is_untouched(served.digest for served in snapshot.versions.values())

    def _install(self, record: ReleaseRecord, plan: ReleasePlan) -> None:
        versions = {arm.version: record.released_version(arm.version) for arm in plan.arms}
        served = {number: self._served(version) for number, version in versions.items()}
        snapshot = ServingSnapshot(plan, served)
        snapshot.write(self._snapshot_file)
        self._installed = (snapshot, _state(self._snapshot_file))
        arms = ", ".join(f"{arm.role} version {arm.version} ({arm.percent} %)" for arm in plan.arms)
        _logger.info("%s: plan %d is served: %s", self.product, plan.sequence, arms)
        self._prepare_rollback(record, plan)

    def _served(self, version: ModelVersion) -> VersionOnDisk:
        missing = [tag for tag in (THRESHOLD_TAG, VIEW_TAG) if tag not in version.tags]
        if missing:
            raise RegistryError(
                f"{version.product} version {version.version} lacks the tags {', '.join(missing)}"
            )
        self._ensure_view(version)
        feature_names = self._models.ensure(version)
        return VersionOnDisk(
            version=version.version,
            digest=version.digest,
            threshold=float(version.tags[THRESHOLD_TAG]),
            view_digest=version.tags[VIEW_TAG],
            libraries=libraries_from_json(version.tags.get(LIBRARIES_TAG)),
            feature_names=feature_names,
            folder=self._models.folder / version.digest,
        )

    def _ensure_view(self, version: ModelVersion) -> None:
        """Put the version's view on disk unless the services declare it themselves."""
        if (digest := version.tags[VIEW_TAG]) == self.view_digest:
            return
        try:
            self._views.ensure(version, digest)
        except PlatformError as error:
            raise ServingError(
                f"{version.product} version {version.version} was trained with feature view {digest[:12]}, but this "
                f"service computes {self.view_digest[:12]}, and the version's own cannot be had ({error}): serve the "
                "bento of that version"
            ) from error

    def _prepare_rollback(self, record: ReleaseRecord, plan: ReleasePlan) -> None:
        """Keep the models of the latest plans, fetch that of the version to return to, and remove all others."""
        numbers = {arm.version for one in record.plans[-KEPT_PLANS:] for arm in one.arms}
        known = {number for number in numbers if record.has_released(number)}
        released = [record.released_version(number) for number in known]
        digests, views = {one.digest for one in released}, {one.tags.get(VIEW_TAG, "") for one in released}
        if plan.previous_champion is not None and record.has_released(plan.previous_champion):
            previous = record.released_version(plan.previous_champion)
            digests.add(previous.digest)
            views.add(previous.tags.get(VIEW_TAG, ""))
            try:
                self._models.ensure(previous)
                if VIEW_TAG in previous.tags:
                    self._ensure_view(previous)
            except (PlatformError, OSError) as error:
                _logger.warning("%s: a rollback would have to fetch its model: %s", self.product, error)
        self._models.keep_only(digests)
        self._views.keep_only(views)

    def _sequence(self) -> int | None:
        try:
            return ServingSnapshot.read(self._snapshot_file).plan.sequence
        except ServingError:
            return None

    def _fetch(self, version: ModelVersion) -> TrainedModel:
        from mlops_assets.core.registry.artifacts import load_model

        return load_model(self.control.tracking_uri, version.model_uri, digest=version.digest)

    def _fetch_view(self, version: ModelVersion) -> FeatureView:
        from mlflow.exceptions import MlflowException

        from mlops_assets.core.registry.version_view import version_view

        declared = product_view(self.product)
        try:
            return version_view(self.control.tracking_uri, version, declared=declared)
        except MlflowException as error:
            raise RegistryError(
                f"the feature view of version {version.version} cannot be fetched: {error}"
            ) from error


def follow(
    follower: PlanFollower,
    *,
    interval_seconds: float = LOOK_SECONDS,
    is_over: Callable[[], bool] = lambda: False,
) -> None:
    """Look every `interval_seconds` until `is_over`; waits while another process follows for this host."""
    lock = follower.serving_home / follower.product / LOCK_FILE
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        while not is_over():
            if _is_mine(file):
                follower.look(datetime.now(UTC))
            time.sleep(interval_seconds)


def main(arguments: list[str] | None = None) -> None:
    """Run the follower until its parent ends, or for ever without one."""
    parser = argparse.ArgumentParser(prog="python -m serving.plan_follower", description=__doc__)
    parser.add_argument("product")
    parser.add_argument(
        "--interval", type=float, default=None, help="seconds between looks at the release record"
    )
    parser.add_argument("--parent", type=int, help="process id of the parent, with which this process ends")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    give_up_soon()
    settings = load_settings(os.environ, working_directory=Path.cwd())
    follower = PlanFollower(
        options.product,
        control=ReleaseControl.of(settings),
        serving_home=settings.serving_home,
        view_digest=product_view(options.product).digest,
    )
    parent = options.parent
    usual = REMOTE_LOOK_SECONDS if "://" in settings.tables_uri else LOOK_SECONDS
    follow(
        follower,
        interval_seconds=options.interval or usual,
        is_over=lambda: parent is not None and os.getppid() != parent,
    )


def _state(file: Path) -> tuple[int, int]:
    try:
        status = file.stat()
    except OSError:
        return (0, 0)
    return status.st_mtime_ns, status.st_size


def _is_mine(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


if __name__ == "__main__":
    main()
