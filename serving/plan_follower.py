"""Follows the release plan of one product for all services of a host: `python -m serving.plan_follower PRODUCT`.

The only part of serving that reads the release record and fetches models from the registry, in a process of its own
and out of every request's way. It puts the models of the plan on disk, has each proved in a process apart, and then, in
one step, writes the snapshot that workers read. Whatever goes wrong, the last good snapshot stays; where workers die of
a plan, the last one that worked comes back.
"""

import argparse
import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from mlops_assets.core.errors import PlatformError, RegistryError, ServingError
from mlops_assets.core.masking import masked
from mlops_assets.core.registry.mlflow_client import give_up_soon
from mlops_assets.core.registry.tag_names import VIEW_TAG
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.release.plan import ReleasePlan
from mlops_assets.core.release.record import ReleaseRecord
from mlops_assets.core.serving.host.follower_status import FollowerStatus, status_file
from mlops_assets.core.serving.host.snapshot import ServingSnapshot
from mlops_assets.core.settings import load_settings
from serving.following.fetching import ArtifactFetcher
from serving.following.host_plans import HostPlans
from serving.following.host_versions import Fetcher, HostVersions, Prove, prove_apart
from serving.following.life import ServerLife, lock_file
from serving.following.proving import MemoryLimit
from serving.served_product import product_view

LOOK_SECONDS = 0.5
"""Between looks at a record in a folder; one that finds nothing new takes less than a millisecond of a core."""
REMOTE_LOOK_SECONDS = 2.0
"""Between looks at a record in an object store; each lists what is new in the table's log, one request."""
KEPT_PLANS = 5
"""Models of so many plans stay on disk, so that a rollback fetches nothing."""
RETRY_SECONDS = 10.0
"""A plan that could not be followed is tried again then; another plan at once."""
LONGEST_RETRY_SECONDS = 300.0
"""A model that fails its proof is tried again after twice as long each time, up to this."""
STANDS_SECONDS = 0.5
"""Between looks at the record while a model is fetched or proved: a plan that is taken back is not waited for."""
STALLED_SECONDS = 10.0
"""What takes longer than this is told as `stalled`."""
LOCK_TRIES = 3
"""A follower that ends with its server gives up after so many looks at a lock that another one holds."""
_logger = logging.getLogger(__name__)


@dataclass
class PlanFollower:
    """The follower of one product; `look` is one turn of it."""

    product: str
    control: ReleaseControl
    serving_home: Path
    view_digest: str
    """Of the feature view that this host's services declare; a version with another brings its own."""
    model_memory: int | None = None
    """Bytes that the models of a plan may take in all workers; None is what the host has free."""
    prove: Prove = prove_apart
    fetcher: Fetcher | None = None
    """None fetches from the control's registry, in processes of their own."""
    clock: Callable[[], float] = time.monotonic
    status: FollowerStatus = field(default_factory=FollowerStatus)
    _versions: HostVersions = field(init=False)
    _plans: HostPlans = field(init=False)
    _installed: tuple[ServingSnapshot, tuple[int, int]] | None = None
    """The snapshot that this process wrote, and the file's state then."""
    _failed: tuple[ReleasePlan, float] | None = None
    """The plan that could not be followed, and when it is tried again."""
    _refusals: int = 0
    """How often in a row its models failed their proof."""
    _unprepared: tuple[ReleaseRecord, ReleasePlan] | None = None
    """The plan that is served, while a rollback from it was not prepared yet."""
    _is_dumb: bool = False
    """Whether the last status could not be written."""

    def __post_init__(self) -> None:
        folder = self.serving_home / self.product
        fetcher = self.fetcher or ArtifactFetcher(self.control.tracking_uri)
        self._versions = HostVersions(self.product, folder, fetcher, self.view_digest, self.prove)
        self._plans = HostPlans(self.product, self.serving_home, clock=self.clock)

    def look(self, now: datetime) -> FollowerStatus:
        """Follow the plan that stands if it is not the snapshot's; say how it went, also in the status file.

        Nothing ends the follower: whatever goes wrong, the last good snapshot stays, the status says why, and a later
        look tries again. An error is logged once. Where the status cannot be written, services see that it is old.
        """
        before = replace(self.status, stalled=None)
        try:
            plan = self._follow()
            self.status = FollowerStatus(plan.sequence, now, None)
            self._failed = None
        except (PlatformError, OSError) as error:
            self.status = replace(before, plan_sequence=self._plans.sequence(), last_error=str(error))
        except (
            Exception
        ) as error:  # a library's, or a defect of ours: the next plan must be followed all the same
            told = f"the follower failed, and tries again: {error!r}"
            if told != before.last_error:
                _logger.exception("%s: the follower failed", self.product)
            self.status = replace(before, plan_sequence=self._plans.sequence(), last_error=told)
        if self.status.last_error and self.status.last_error != before.last_error:
            _logger.warning("%s: the last good plan stays: %s", self.product, self.status.last_error)
        self.beat()
        if self._unprepared is not None:
            self._prepare_rollback(*self._unprepared)
        return self.status

    def beat(self) -> None:
        """Write the status again, so that services know that somebody follows."""
        try:
            self.status.write(status_file(self.serving_home, self.product))
        except OSError as error:
            if not self._is_dumb:
                _logger.warning("%s: services cannot be told how following goes: %s", self.product, error)
            self._is_dumb = True
        else:
            self._is_dumb = False

    @property
    def doing(self) -> str:
        """What takes time just now, for people."""
        return self._versions.doing

    def sees(self, plan: ReleasePlan) -> None:
        """Note that the plan stands now: if it is served already, following succeeds."""
        if self.status.last_error is None and self.status.plan_sequence == plan.sequence:
            self.status = replace(self.status, last_success_at=datetime.now(UTC))

    def wait(self, seconds: float) -> None:
        """Tell services that somebody follows, and what takes long, if it does."""
        stalled = None
        if seconds >= STALLED_SECONDS:
            stalled = f"{self.doing} has taken {seconds:.0f} s so far"
        self.status = replace(self.status, stalled=stalled)
        self.beat()

    def _follow(self) -> ReleasePlan:
        self._plans.look()
        record = self.control.record(self.product)
        plan = record.standing
        if plan is None:
            raise RegistryError(
                f"{self.product} has no release plan below {masked(self.control.tables_uri)}: materialize "
                f"{self.product}/release, or set MLOPS_TABLES_URI to the lakehouse that holds it"
            )
        self._plans.require_unrefused(plan)
        if self._is_installed(plan):
            return plan
        if self._failed is None or self._failed[0] != plan:
            self._refusals = 0
        elif self.clock() < self._failed[1]:
            raise ServingError(self.status.last_error or "")
        self._failed = (plan, self.clock() + RETRY_SECONDS)
        self._install(record, plan)
        return plan

    def _is_installed(self, plan: ReleasePlan) -> bool:
        """Tell whether the snapshot is of this plan and it and its models are as they were written; reads no file."""
        if self._installed is None:
            return False
        snapshot, state = self._installed
        is_same = snapshot.plan == plan and _state(self._plans.file) == state
        return is_same and self._versions.is_untouched(snapshot)

    def _install(self, record: ReleaseRecord, plan: ReleasePlan) -> None:
        is_wanted = _Standing(self, plan)
        versions = {arm.version: record.released_version(arm.version) for arm in plan.arms}
        on_disk = {
            number: self._versions.ensure(one, is_wanted=is_wanted) for number, one in versions.items()
        }
        snapshot = ServingSnapshot(plan, on_disk)
        try:
            self._versions.require_proof(
                versions.values(),
                MemoryLimit.of_host(workers=self._plans.workers(), allowed=self.model_memory),
                known_to_work=self._plans.known_to_work(),
                is_wanted=is_wanted,
            )
        except ServingError:
            pause = min(RETRY_SECONDS * 2**self._refusals, LONGEST_RETRY_SECONDS)
            self._failed, self._refusals = (plan, self.clock() + pause), self._refusals + 1
            self._plans.fall_back(plan)
            raise
        snapshot.write(self._plans.file)
        self._installed = (snapshot, _state(self._plans.file))
        arms = ", ".join(f"{arm.role} version {arm.version} ({arm.percent} %)" for arm in plan.arms)
        _logger.info("%s: plan %d is served: %s", self.product, plan.sequence, arms)
        self._unprepared = (record, plan)

    def _prepare_rollback(self, record: ReleaseRecord, plan: ReleasePlan) -> None:
        """Keep the models of the latest plans and of those that worked here, and that of the version to return to.

        Done after services were told of the plan, since the registry may hang.
        """
        self._unprepared = None
        try:
            self._keep_models(record, plan)
        except (PlatformError, OSError) as error:
            _logger.warning("%s: a rollback is not prepared: %s", self.product, error)
        if self.status.stalled is not None:
            self.status = replace(self.status, stalled=None)
            self.beat()

    def _keep_models(self, record: ReleaseRecord, plan: ReleasePlan) -> None:
        numbers = {arm.version for one in record.plans[-KEPT_PLANS:] for arm in one.arms}
        known = {number for number in numbers if record.has_released(number)}
        kept = [record.released_version(number) for number in known]
        if plan.previous_champion is not None and record.has_released(plan.previous_champion):
            previous = record.released_version(plan.previous_champion)
            kept.append(previous)
            self._versions.keep_ready(previous, is_wanted=_Standing(self, plan))
        worked = self._plans.versions_that_worked()
        self._versions.keep_only(
            models={one.digest for one in kept} | {one.digest for one in worked},
            views={one.tags.get(VIEW_TAG, "") for one in kept} | {one.view_digest for one in worked},
        )


class _Standing:
    """Whether a plan still stands, asked while its models are fetched and proved; meanwhile services hear that somebody
    follows, and what takes so long.
    """

    def __init__(self, follower: PlanFollower, plan: ReleasePlan) -> None:
        self._follower = follower
        self._plan = plan
        self._doing, self._began = "", follower.clock()
        self._next_look = self._began + STANDS_SECONDS
        self._stands = True

    def __call__(self) -> bool:
        now = self._follower.clock()
        if now >= self._next_look:
            self._next_look = now + STANDS_SECONDS
            with contextlib.suppress(PlatformError, OSError):  # the record is away: what was wanted still is
                standing = self._follower.control.record(self._follower.product).standing
                self._stands = standing in (None, self._plan)
                if standing == self._plan:
                    self._follower.sees(self._plan)
            if self._doing != self._follower.doing:
                self._doing, self._began = self._follower.doing, now
            self._follower.wait(now - self._began)
        return self._stands


def follow(follower: PlanFollower, server: ServerLife, *, interval_seconds: float = LOOK_SECONDS) -> None:
    """Look every `interval_seconds` for the life of the server.

    Only one process follows for a host. Another one that has a server to end with ends soon; one without waits for its
    turn.
    """
    lock = _HostLock(lock_file(follower.serving_home, follower.product))
    tries, problem = 0, ""
    while True:
        try:
            is_mine = lock.take()
        except OSError as error:
            is_mine = False
            if problem != str(error):
                problem = str(error)
                _logger.warning("%s: nobody can follow here: %s", follower.product, problem)
        else:
            tries = 0 if is_mine else tries + 1
        if is_mine:
            follower.look(datetime.now(UTC))
        elif tries >= LOCK_TRIES and server.is_known:
            return
        if server.is_over(within=interval_seconds):
            return


class _HostLock:
    """The lock that one process of a host holds."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._opened: IO[bytes] | None = None

    def take(self) -> bool:
        """Tell whether this process holds the lock now; also when its file was replaced meanwhile.

        Raises: OSError when the file cannot be opened.
        """
        if self._opened is not None and not self._is_there(self._opened):
            self._opened.close()
            self._opened = None
        if self._opened is None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._opened = self._file.open("ab")
        try:
            fcntl.flock(self._opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _is_there(self, opened: IO[bytes]) -> bool:
        try:
            return os.path.samestat(self._file.stat(), os.fstat(opened.fileno()))
        except OSError:
            return False


def main(arguments: list[str] | None = None) -> None:
    """Run the follower until its server ends, or for ever without one."""
    parser = argparse.ArgumentParser(prog="python -m serving.plan_follower", description=__doc__)
    parser.add_argument("product")
    parser.add_argument(
        "--interval", type=float, default=None, help="seconds between looks at the release record"
    )
    parser.add_argument("--server", type=int, help="process id of the server, with which this process ends")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    server = ServerLife(options.server)
    give_up_soon()
    settings = load_settings(os.environ, working_directory=Path.cwd())
    follower = PlanFollower(
        options.product,
        control=ReleaseControl.of(settings),
        serving_home=settings.serving_home,
        view_digest=product_view(options.product).digest,
        model_memory=settings.model_memory,
    )
    usual = REMOTE_LOOK_SECONDS if "://" in settings.tables_uri else LOOK_SECONDS
    follow(follower, server, interval_seconds=options.interval or usual)


def _state(file: Path) -> tuple[int, int]:
    try:
        status = file.stat()
    except OSError:
        return (0, 0)
    return status.st_mtime_ns, status.st_size


if __name__ == "__main__":
    main()
