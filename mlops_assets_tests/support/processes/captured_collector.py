"""A process that collects captured predictions; test_captured_predictions.py starts it, alone and beside others.

`LOCATION TABLES BLOCK [INSTANT]`: with the instant `read` or `committed` it kills itself there, in its second block.
"""

import os
import signal
import sys
from collections.abc import Sequence
from itertools import count

import polars as pl

from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import CommitInfo
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.online_store.protocol import CapturedRecord, OnlineStore
from mlops_assets.core.predictions.captured import LandingTable, collect_captured

PRODUCT = "shop"
LANDING = LandingTable(PRODUCT, id_column="order_id", id_type=pl.Int64(), has_time=True)
COMMIT = CommitInfo(run_id="run-1", code_version="1")


class KilledStore:
    """A store whose second answer, or second forgetting, is the last thing that its process sees."""

    def __init__(self, store: OnlineStore, instant: str) -> None:
        self._store = store
        self._instant = instant
        self._turns = count(1)

    def identity(self) -> str:
        return self._store.identity()

    def captured(self, *, after: str = "", limit: int = 10_000) -> list[CapturedRecord]:
        records = self._store.captured(after=after, limit=limit)
        self._maybe_die("read")
        return records

    def forget_captured(self, records: Sequence[CapturedRecord]) -> None:
        self._maybe_die("committed")
        self._store.forget_captured(records)

    def _maybe_die(self, instant: str) -> None:
        if instant == self._instant and next(self._turns) == 2:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    location, root, block, *instants = sys.argv[1:]
    store = open_online_store(location, PRODUCT)
    watched = KilledStore(store, instants[0]) if instants else store
    for _ in collect_captured(
        watched,  # pyright: ignore[reportArgumentType] - collecting asks for no more
        DeltaTables(root),
        LANDING,
        commit=COMMIT,
        block_records=int(block),
    ):
        pass
