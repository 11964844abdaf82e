"""Writes the checkpoints of an embedded online store, so that no request waits for the disk."""

import logging
import os
import sys
import threading
from collections.abc import Callable

from mlops_assets.core.errors import OnlineStoreError
from mlops_assets.core.online_store.protocol import OnlineStore
from mlops_assets.core.online_store.sqlite import SqliteOnlineStore

PAUSE_SECONDS = 0.2
NICENESS = 10
"""Of the thread: where a service has one core, requests come first, a tenth of its time being left for the log."""
_log = logging.getLogger(__name__)


class Checkpoints:
    """A thread that brings the log of the worker's store into its file; does nothing for other stores."""

    def __init__(self, store: OnlineStore, open_store: Callable[[], OnlineStore]) -> None:
        """`store` is the one that requests use, before its first use; the thread opens one of its own."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(open_store,), name="checkpoints", daemon=True)
        if isinstance(store, SqliteOnlineStore):
            store.has_checkpointer = True
            self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(5.0)

    def _run(self, open_store: Callable[[], OnlineStore]) -> None:
        if sys.platform == "linux":  # where a thread has a priority of its own
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        store = open_store()
        is_well = True
        while not self._ended.wait(PAUSE_SECONDS):
            try:
                if isinstance(store, SqliteOnlineStore):
                    store.checkpoint()
                is_well = True
            except OnlineStoreError as error:
                if is_well:
                    _log.warning("no checkpoint was written: %s", error)
                is_well = False
        store.close()
