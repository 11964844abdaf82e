"""One worker of a served bento: its store, its arms, its lanes, and the watch over the release plan."""

import asyncio
import gc
import logging
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from mlops_assets.core.errors import PackagingError, ServingError
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.online_store.protocol import OnlineStore
from mlops_assets.core.serving.arms import LoadedVersion
from mlops_assets.core.serving.follower_status import FollowerStatus, status_file
from mlops_assets.core.serving.manifest import BentoManifest
from mlops_assets.core.serving.scoring import EventFacts, OnlineScoring
from mlops_assets.core.settings import Settings, load_settings
from serving.checkpoints import Checkpoints
from serving.events.types import EventTypes
from serving.http.endpoints import ProductEndpoints, StoreFacts
from serving.http.health import Health
from serving.limits import SLICE_SECONDS
from serving.live_release import (
    FIRST_LOOK_SECONDS,
    POLL_SECONDS,
    STORE_POLL_SECONDS,
    LiveRelease,
)
from serving.metrics import ServingMetrics
from serving.scoring_lane import ScoringLane
from serving.served_product import ServedProduct
from serving.shadow import ShadowLane
from serving.store_breaker import StoreBreaker

FOLLOWER_RESTART_SECONDS = 5.0
FOLLOWING_VARIABLES = ("MLOPS_TABLES_URI", "MLFLOW_TRACKING_URI")
"""One of them says where a release plan is; without any a bento serves its own version."""
_log = logging.getLogger(__name__)


class Worker:
    """Everything that a worker process holds; `start` begins the background work on the running loop."""

    def __init__(
        self, manifest: BentoManifest, own: LoadedVersion, *, example: Mapping[str, object], is_first: bool
    ) -> None:
        """Open the store and load what is released; `is_first` is the one worker that keeps the follower running.

        `example` is an event as a request sends it, for the documentation.

        Raises: PackagingError when the bento's version or manifest does not fit its feature view.
        """
        self.product = ServedProduct.of(manifest)
        if self.product.view.digest != manifest.view_digest:
            raise PackagingError(
                f"{manifest.product} version {manifest.version} was built for feature view "
                f"{manifest.view_digest[:12]}, but the sources beside it declare {self.product.view.digest[:12]}"
            )
        self.settings: Settings = load_settings(os.environ, working_directory=Path.cwd())
        self.metrics = ServingMetrics(manifest.product)
        self.live = LiveRelease(
            self.product, own, serving_home=self.settings.serving_home, open_store=self.open_store
        )
        self._store = self.open_store()
        self._checkpoints = Checkpoints(self._store, self.open_store)
        self.scoring = OnlineScoring(
            EventFacts.of(self.product.view, self.product.declaration.entities),
            StoreBreaker(self._store, clock=time.monotonic),
            self.live.first(),
            policy=self.settings.capture_policy,
            clock=time.perf_counter,
            slice_seconds=SLICE_SECONDS,
        )
        self.metrics.plan_sequence.set(self.scoring.arms.sequence)
        self.types = EventTypes(self.product, example=example)
        self._shadow = ShadowLane(self.open_store, self.metrics)
        self.lane = ScoringLane(self.scoring, self.metrics, self._shadow)
        self.health = Health(self.lane, self.scoring.store, clock=time.monotonic)
        self.endpoints = ProductEndpoints(
            self.product,
            manifest,
            types=self.types,
            lane=self.lane,
            live=self.live,
            facts=StoreFacts(
                self._store_kind(),
                self.settings.capture_policy,
                access="open" if self.settings.api_keys is None else "api_key",
            ),
            follower=self.follower_status,
            open_store=self.open_store,
        )
        self._follows = is_first and _is_plan_known()
        self._follower: subprocess.Popen[bytes] | None = None
        self._watches: list[asyncio.Task[None]] = []

    def open_store(self) -> OnlineStore:
        """Open the product's store; one per thread."""
        return open_online_store(self.settings.online_store, self.product.name)

    def start(self) -> None:
        """Watch the plan from now on, on the running event loop."""
        # What is loaded now stays. A collection of the oldest generation walks its 180,000 objects, and requests wait
        # for that: 0.2 s and more on a busy core.
        gc.collect()
        gc.freeze()
        loop = asyncio.get_running_loop()
        self._watches = [loop.create_task(self._keep_up()), loop.create_task(self._look_at_store())]

    def follower_status(self) -> FollowerStatus | None:
        """Return how the release record was last read; None where none is followed, or the file is damaged."""
        if not _is_plan_known():
            return None
        try:
            return FollowerStatus.read(status_file(self.settings.serving_home, self.product.name))
        except ServingError:
            return None

    def close(self) -> None:
        """Stop what runs beside the requests, and let go of the store."""
        for watch in self._watches:
            watch.cancel()
        if self._follower is not None:
            self._follower.terminate()
            self._follower.wait()
        self.endpoints.close()
        self._shadow.close()
        self._checkpoints.close()
        self._store.close()

    async def _keep_up(self) -> None:
        """Switch to a new plan between two requests; loading its models happens in a thread."""
        loop = asyncio.get_running_loop()
        next_start = 0.0
        while True:
            if self._follows and loop.time() >= next_start and not self._is_followed():
                self._start_follower()
                next_start = loop.time() + FOLLOWER_RESTART_SECONDS
            if self.live.is_changed():
                await self._follow_plan()
            await asyncio.sleep(POLL_SECONDS)

    async def _look_at_store(self) -> None:
        """Notice which views the store keeps; a store that hangs keeps no plan from being followed."""
        while True:
            await asyncio.sleep(STORE_POLL_SECONDS if self.live.is_store_read else FIRST_LOOK_SECONDS)
            await asyncio.to_thread(self.live.look_at_store)

    async def _follow_plan(self) -> None:
        arms = await asyncio.to_thread(self.live.load)
        if arms is None:
            self.metrics.plan_refused.inc()
            return
        self.scoring.arms = arms
        self.metrics.plan_sequence.set(arms.sequence)
        _log.info("release plan %d is served", arms.sequence)

    def _is_followed(self) -> bool:
        return self._follower is not None and self._follower.poll() is None

    def _start_follower(self) -> None:
        self._follower = subprocess.Popen(
            [sys.executable, "-m", "serving.plan_follower", self.product.name, "--parent", str(os.getpid())],
            stdin=subprocess.DEVNULL,
        )

    def _store_kind(self) -> str:
        return "redis" if "://" in self.settings.online_store else "sqlite"


def _is_plan_known() -> bool:
    return any(os.environ.get(name) for name in FOLLOWING_VARIABLES)
