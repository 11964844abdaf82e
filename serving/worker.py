"""One worker of a served bento: its store, its arms, its lanes, and the watch over the release plan."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mlops_assets.core.errors import PackagingError
from mlops_assets.core.online_store.opening import open_online_store, store_file
from mlops_assets.core.online_store.protocol import OnlineStore
from mlops_assets.core.runtime.garbage import freeze_what_is_loaded
from mlops_assets.core.serving.arms import LoadedVersion, ReleasedArms
from mlops_assets.core.serving.host.follower_status import FollowerStatus
from mlops_assets.core.serving.manifest import BentoManifest
from mlops_assets.core.serving.scoring import EventFacts, OnlineScoring
from mlops_assets.core.settings import Settings, load_settings
from serving.checkpoints import Checkpoints
from serving.events.types import EventTypes
from serving.following.life import FollowerKeeper, end_soon, is_orphan, is_plan_known, server_of_this_worker
from serving.following.turns import LoadTurn
from serving.following.watch import FollowerWatch
from serving.http.api_keys import key_door
from serving.http.endpoints import ProductEndpoints, StoreFacts
from serving.http.health import Health
from serving.limits import SLICE_SECONDS
from serving.live_release import (
    FIRST_LOOK_SECONDS,
    POLL_SECONDS,
    RETRY_SECONDS,
    STORE_POLL_SECONDS,
    LiveRelease,
)
from serving.metrics import ServingMetrics
from serving.scoring_lane import ScoringLane
from serving.served_product import ServedProduct
from serving.shadow import ShadowLane
from serving.store_breaker import StoreBreaker

KEEP_SECONDS = 1.0
"""Between looks whether the host is followed, and the server lives."""
FIRST_PLAN_SECONDS = 20.0
"""How long a host that never had a plan waits for its follower's first word, before the bento's own version answers."""
_log = logging.getLogger(__name__)


class Worker:
    """Everything that a worker process holds; `start` begins the background work on the running loop."""

    def __init__(
        self, manifest: BentoManifest, own: Callable[[], LoadedVersion], *, example: Mapping[str, object]
    ) -> None:
        """Keep the host followed, open the store, and load what is released.

        `own` loads the bento's own version; it is asked only where no plan can be had, so that a bento whose model does
        not load serves what is released. `example` is an event as a request sends it, for the documentation.

        Raises: PackagingError when the bento's version or manifest does not fit its feature view; ConfigurationError
        when the API keys cannot be read.
        """
        self.product = ServedProduct.of(manifest)
        if self.product.view.digest != manifest.view_digest:
            raise PackagingError(
                f"{manifest.product} version {manifest.version} was built for feature view "
                f"{manifest.view_digest[:12]}, but the sources beside it declare {self.product.view.digest[:12]}"
            )
        self.settings: Settings = load_settings(os.environ, working_directory=Path.cwd())
        self.metrics = ServingMetrics(manifest.product)
        self._server = server_of_this_worker()
        self._keeper = (
            FollowerKeeper(self.product.name, self.settings.serving_home, server=self._server)
            if is_plan_known()
            else None
        )
        self._watch = FollowerWatch(self.settings.serving_home, self.product.name)
        self._turn = LoadTurn(self.settings.serving_home, self.product.name)
        self.live = LiveRelease(
            self.product,
            own,
            serving_home=self.settings.serving_home,
            open_store=self.open_store,
            begins=self._turn.loads,
        )
        self._store = self.open_store()
        self._checkpoints = Checkpoints(self._store, self.open_store)
        self._asking = self._thread_that_asks()
        self.scoring = self._scoring()
        self.metrics.plan_sequence.set(self.scoring.arms.sequence)
        self.types = EventTypes(self.product, example=example)
        self._shadow = ShadowLane(self.open_store, self.metrics)
        self.lane = ScoringLane(self.scoring, self.metrics, self._shadow)
        self.door = key_door(self.settings.api_keys)
        self.health = Health(self.lane, clock=time.monotonic, lets_in=self._lets_in)
        self.endpoints = ProductEndpoints(
            self.product,
            manifest,
            types=self.types,
            lane=self.lane,
            live=self.live,
            facts=self._store_facts(),
            follower=self.follower_status,
            open_store=self.open_store,
        )
        self._watches: list[asyncio.Task[None]] = []

    def open_store(self) -> OnlineStore:
        """Open the product's store; one per thread."""
        return open_online_store(self.settings.online_store, self.product.name)

    def start(self) -> None:
        """Watch the plan from now on, on the running event loop."""
        # Requests wait for collections: of 180,000 objects that stay, 0.2 s and more on a busy core.
        freeze_what_is_loaded()
        loop = asyncio.get_running_loop()
        turns = [self._keep_up, self._look_at_store, self._keep_followed]
        self._watches = [loop.create_task(turn()) for turn in turns]

    def follower_status(self) -> FollowerStatus | None:
        """Return how the release record was last read, or that the follower is silent; None where none is followed."""
        if self._keeper is None:
            return None
        self._watch.look()
        return self._watch.status

    def close(self) -> None:
        """Stop what runs beside the requests, and let go of the store."""
        for watch in self._watches:
            watch.cancel()
        self._turn.close()
        self.endpoints.close()
        self._shadow.close()
        self._checkpoints.close()
        if self._asking is not None:
            self._asking.shutdown(cancel_futures=True)
        self._store.close()

    def _scoring(self) -> OnlineScoring:
        """Return what scores on the worker's store, by the arms to start with."""
        return OnlineScoring(
            EventFacts.of(self.product.view, self.product.declaration.entities),
            StoreBreaker(self._store, clock=time.monotonic),
            self._first_arms(),
            policy=self.settings.capture_policy,
            clock=time.perf_counter,
            slice_seconds=SLICE_SECONDS,
            asks_by=self._asking,
        )

    def _thread_that_asks(self) -> ThreadPoolExecutor | None:
        """Return the thread that asks a store over the network; None for an embedded one."""
        is_embedded = store_file(self.settings.online_store, self.product.name) is not None
        return None if is_embedded else ThreadPoolExecutor(1, thread_name_prefix="store")

    def _lets_in(self) -> bool:
        return self.door is None or self.door.is_readable()

    def _first_arms(self) -> ReleasedArms:
        """Load the host's plan; where it never had one, the follower is given some time to say what it is."""
        if self._keeper is not None:
            self._turn.keeps(0)
            deadline = time.monotonic() + FIRST_PLAN_SECONDS
            while not (self.live.has_plan or self._is_told() or time.monotonic() > deadline):
                self._keep_host()
                time.sleep(POLL_SECONDS)
        arms = self.live.first()
        if arms.sequence:
            self._turn.loaded(arms.sequence)
        elif self._keeper is not None:
            self._turn.keeps(0)
        return arms

    def _is_told(self) -> bool:
        """Whether the follower has said that there is no plan to be had."""
        self._watch.look()
        return self._watch.has_spoken and self._watch.status.last_error is not None

    async def _keep_up(self) -> None:
        """Switch to a new plan between two requests; loading its models happens in a thread."""
        while True:
            try:
                self._turn.settle()
                if self.live.is_changed():
                    await self._follow_plan()
            except Exception:  # whatever it is, the next plan must be followed
                _log.exception("%s: the plan cannot be followed", self.product.name)
                await asyncio.sleep(RETRY_SECONDS)
            await asyncio.sleep(POLL_SECONDS)

    async def _keep_followed(self) -> None:
        """Keep the host followed, measure how that goes, and end with the server."""
        while True:
            try:
                self._keep_host()
            except Exception:
                _log.exception("%s: the follower cannot be kept", self.product.name)
            await asyncio.sleep(KEEP_SECONDS)

    def _keep_host(self) -> None:
        self.metrics.store_log_bytes.set(self._checkpoints.log_bytes)
        if is_orphan(self._server):
            _log.error("%s: the server of this worker is gone: it ends, too", self.product.name)
            end_soon()
        elif self._keeper is not None:
            self._keeper.keep()
            self._watch.look()
            self.metrics.follower_age.set(self._watch.seconds_since_success)
            status = self._watch.status
            self.metrics.follower_failing.set(status.last_error is not None)
            self.metrics.follower_stalled.set(status.stalled is not None)

    async def _look_at_store(self) -> None:
        """Notice which views the store keeps; a store that hangs keeps no plan from being followed."""
        while True:
            await asyncio.sleep(STORE_POLL_SECONDS if self.live.is_store_read else FIRST_LOOK_SECONDS)
            try:
                await asyncio.to_thread(self.live.look_at_store)
            except Exception:  # a later look may tell
                _log.exception("%s: the views of the store cannot be read", self.product.name)
                await asyncio.sleep(RETRY_SECONDS)

    async def _follow_plan(self) -> None:
        waiting = self.live.waiting_plan()
        if waiting is not None and not self._turn.take(waiting):
            return
        arms = None
        try:
            arms = await asyncio.to_thread(self.live.load)
        finally:
            if waiting is not None and arms is None:
                self._turn.keeps(waiting)
        if arms is None:
            self.metrics.plan_refused.inc()
            return
        self.scoring.arms = arms
        if waiting is not None:
            self._turn.loaded(waiting)
        self.metrics.plan_sequence.set(arms.sequence)
        _log.info("release plan %d is served", arms.sequence)

    def _store_facts(self) -> StoreFacts:
        return StoreFacts(
            "redis" if "://" in self.settings.online_store else "sqlite",
            self.settings.capture_policy,
            access="open" if self.settings.api_keys is None else "api_key",
        )
