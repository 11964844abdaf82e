"""The plans of one host: the one that is served, those that worked, and those that are refused here."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from mlops_assets.core.errors import ServingError
from mlops_assets.core.model.libraries import installed_libraries
from mlops_assets.core.release.plan import ReleasePlan
from mlops_assets.core.serving.host.seen_plans import SeenPlans, seen_file
from mlops_assets.core.serving.host.snapshot import ServingSnapshot, VersionOnDisk, snapshot_file
from mlops_assets.core.serving.host.worker_notes import read_notes
from serving.following.judgement import PlanJudge

_logger = logging.getLogger(__name__)


class HostPlans:
    """Belongs to the follower, which alone writes the snapshot and what was seen."""

    def __init__(
        self, product: str, serving_home: Path, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Read what was seen before, at the first look."""
        self.file = snapshot_file(serving_home, product)
        self._product = product
        self._serving_home = serving_home
        self._seen_file = seen_file(serving_home, product)
        self._judge = PlanJudge(serving_home, product, clock=clock)
        self._libraries = installed_libraries()
        self._seen = SeenPlans(libraries=self._libraries)
        self._written: SeenPlans | None = None
        """What the file holds; None before it was read."""
        self._is_stored = False
        """Whether there was a file; one that is removed lets everything begin anew."""

    def look(self) -> None:
        """Judge the served plan by what workers say, and let the last one that worked come back if it is refused.

        Raises: OSError when what was seen cannot be written; it is tried again.
        """
        if self._written is None or (self._is_stored and not self._seen_file.exists()):
            self._read()
        current = self._current()
        self._seen, reason = self._judge.look(current, self._seen)
        if current is not None and reason is not None:
            self._refuse(current.plan, reason)
        if current is not None and self._seen.refusal(current.plan) is not None:
            self.fall_back(current.plan)
        if self._seen != self._written:
            self._seen.write(self._seen_file)
            self._written, self._is_stored = self._seen, True

    def require_unrefused(self, plan: ReleasePlan) -> None:
        """Raises: ServingError for a plan that killed workers of this host."""
        refusal = self._seen.refusal(plan)
        if refusal is not None:
            goes_on = self.sequence()
            raise ServingError(
                f"plan {plan.sequence} is refused on this host: {refusal.reason}; "
                f"{f'plan {goes_on}' if goes_on is not None else 'what the bento holds'} goes on. Roll back or release "
                f"another version; to try this one again, remove {self._seen_file}"
            )

    def fall_back(self, plan: ReleasePlan) -> None:
        """Let the last plan that worked be served in the place of `plan`, if that is served now.

        Where none ever worked there is no plan, and services that start serve what their bento holds.
        """
        current = self._current()
        if current is None or current.plan != plan or self._seen.is_good(plan):
            return
        good = next((one for one in reversed(self._seen.good) if one.plan != plan), None)
        if good is None:
            self.file.unlink(missing_ok=True)
            _logger.error("%s: no plan ever worked on this host: none is served", self._product)
            return
        good.write(self.file)
        _logger.error("%s: plan %d, the last that worked, is served again", self._product, good.plan.sequence)

    def known_to_work(self) -> frozenset[str]:
        """Return the digests of models with which a worker of this host worked."""
        return frozenset(version.digest for version in self.versions_that_worked())

    def versions_that_worked(self) -> list[VersionOnDisk]:
        """Return the versions of the plans that worked, which may come back."""
        return [version for one in self._seen.good for version in one.versions.values()]

    def workers(self) -> int:
        """Return how many workers of this host serve the product now."""
        return sum(note.is_alive for note in read_notes(self._serving_home, self._product))

    def sequence(self) -> int | None:
        """Return the sequence of the plan that is served; None where there is none."""
        current = self._current()
        return None if current is None else current.plan.sequence

    def _refuse(self, plan: ReleasePlan, reason: str) -> None:
        if self._seen.is_good(plan) and len(self._seen.good) == 1:
            _logger.error(
                "%s: plan %d goes on, for want of another: %s", self._product, plan.sequence, reason
            )
            return
        _logger.error("%s: plan %d is refused on this host: %s", self._product, plan.sequence, reason)
        self._seen = self._seen.with_refused(plan, reason)

    def _current(self) -> ServingSnapshot | None:
        try:
            return ServingSnapshot.read(self.file)
        except ServingError:
            return None

    def _read(self) -> None:
        self._is_stored = self._seen_file.exists()
        try:
            self._seen = SeenPlans.read(self._seen_file)
        except ServingError as error:
            _logger.warning("%s: nothing is known of earlier plans: %s", self._product, error)
            self._seen = SeenPlans()
        self._written = self._seen
        if self._seen.libraries != self._libraries:  # what worked with others, or did not, says nothing
            self._seen = SeenPlans(libraries=self._libraries)
