"""What a worker sees of its host's follower: its last status, and how long it has been silent."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from mlops_assets.core.errors import ServingError
from mlops_assets.core.serving.host.follower_status import FollowerStatus, status_file

SILENT_SECONDS = 30.0
"""A follower writes its status every other second; one that fetches a large model may take so long."""


class FollowerWatch:
    """Reads the status file when it changes, and measures by this process's monotonic clock."""

    def __init__(
        self, serving_home: Path, product: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin with a follower that may have spoken this moment."""
        self._file = status_file(serving_home, product)
        self._clock = clock
        self._signature: tuple[int, int, int] | None = None
        self._before = _signature(self._file)
        self._read = FollowerStatus()
        self._success: datetime | None = None
        self._changed = self._succeeded = clock()

    def look(self) -> None:
        """Read the status if it was written since the last look; takes some microseconds where it was not."""
        signature = _signature(self._file)
        if signature == self._signature:
            return
        self._signature = signature
        try:
            self._read = FollowerStatus.read(self._file)
        except ServingError as error:
            self._read = FollowerStatus(last_error=str(error))
        self._changed = self._clock()
        if self._read.last_success_at not in (None, self._success):
            self._success, self._succeeded = self._read.last_success_at, self._clock()

    @property
    def has_spoken(self) -> bool:
        """Whether the follower wrote its status since this watch began."""
        return self._signature is not None and self._signature != self._before

    @property
    def status(self) -> FollowerStatus:
        """The last status; of a follower that is silent it says so, and since when."""
        silent = self._clock() - self._changed
        if silent < SILENT_SECONDS:
            return self._read
        told = f"; the last that it said: {self._read.last_error}" if self._read.last_error else ""
        return replace(
            self._read,
            last_error=(
                f"the follower of this host has written nothing to {self._file} for {silent:.0f} s: it does not run, "
                f"hangs, or cannot write there (is the disk full?); its log says why{told}"
            ),
        )

    @property
    def seconds_since_success(self) -> float:
        """How long ago the standing plan was last seen to be the host's; since the start of this process at most."""
        return self._clock() - self._succeeded


def _signature(file: Path) -> tuple[int, int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
