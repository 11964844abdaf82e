"""Writes the checkpoints of an embedded online store and looks for damage in it, beside the requests."""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable

from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.online_store.protocol import OnlineStore
from mlops_assets.core.online_store.sqlite import SqliteOnlineStore

PAUSE_SECONDS = 0.2
CHECK_PAUSE_SECONDS = 60.0
"""Least time between two looks for damage."""
CHECK_SHARE = 0.01
"""Largest share of the time that looking takes: a large store is looked at less often."""
CHECK_SECONDS = 120.0
"""After which a look is given up, some 40 GB."""
LONG_LOG_BYTES = 512 * 1024 * 1024
"""Twice the length from which on anybody brings it in."""
NICENESS = 10
"""Of the threads: where a service has one core, requests come first, a tenth of its time being left for the log."""
_log = logging.getLogger(__name__)


class Checkpoints:
    """Threads that bring the log of the worker's store into its file, and look for damage; none for other stores.

    Of all workers on a machine one does so at a time; another one goes on when it ends.
    """

    def __init__(self, store: OnlineStore, open_store: Callable[[], OnlineStore]) -> None:
        """`store` is the one that requests use, before its first use; each thread opens one of its own."""
        self._ended = threading.Event()
        self._owns = threading.Event()
        self.log_bytes = 0
        """Length of the store's log at the last look."""
        self._threads: list[threading.Thread] = []
        if isinstance(store, SqliteOnlineStore):
            store.has_checkpointer = True
            self._threads = [
                threading.Thread(target=self._run, args=(work, open_store), name=name, daemon=True)
                for name, work in (("checkpoints", self._write), ("store check", self._look))
            ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End the threads."""
        self._ended.set()
        self._owns.set()
        for thread in self._threads:
            thread.join(5.0)

    def _run(self, work: Callable[[SqliteOnlineStore], None], open_store: Callable[[], OnlineStore]) -> None:
        if sys.platform == "linux":  # where a thread has a priority of its own
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        store = open_store()
        if isinstance(store, SqliteOnlineStore):
            work(store)
        store.close()

    def _write(self, store: SqliteOnlineStore) -> None:
        is_well = is_short = True
        while not self._ended.wait(PAUSE_SECONDS):
            try:
                owns, is_well = store.checkpoint(), True
                self.log_bytes = store.log_length().size_bytes
                if is_short and self.log_bytes > LONG_LOG_BYTES:
                    _log.warning(
                        "the online store's log has %.0f MiB: the owner of its checkpoints hangs, or a process reads "
                        "for long; `mlops doctor` says which",
                        self.log_bytes / 2**20,
                    )
                is_short = self.log_bytes <= LONG_LOG_BYTES
            except OnlineStoreError as error:
                owns = False
                if is_well:
                    _log.warning("no checkpoint was written: %s", error)
                is_well = False
            if owns:
                self._owns.set()
            else:
                self._owns.clear()
        self._owns.set()

    def _look(self, store: SqliteOnlineStore) -> None:
        """Look at once when this worker becomes the one that does, and again and again from then on."""
        while self._owns.wait() and not self._ended.is_set():
            began = time.monotonic()
            try:
                found = store.check(seconds=CHECK_SECONDS, is_cancelled=self._ended.is_set)
                if found.damage is not None:
                    _log.error("the online store is damaged, and nobody uses it any more: %s", found.damage)
                elif not found.is_complete and not self._ended.is_set():
                    _log.warning("a look for damage in the online store did not end in %.0f s", found.seconds)
            except OnlineStoreError as error:
                _log.warning("the online store could not be looked at: %s", error)
            self._ended.wait(max(CHECK_PAUSE_SECONDS, (time.monotonic() - began) / CHECK_SHARE))
