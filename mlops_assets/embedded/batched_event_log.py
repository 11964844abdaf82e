"""Dagster's event log on SQLite, which stores the events of a range of partitions together.

Dagster hands over the events of a batch at once when DAGSTER_EVENT_BATCH_SIZE says so, and its SQLite storage then
stores them one by one: six connections and two commits each. dagster.yaml of the embedded setup names this class.

It leans on methods that Dagster does not promise (docs/upstream/dagster-event-batches.md). Where one of them is not as
known, the log behaves as Dagster's own, and says so once.
"""

import inspect
import logging
import os
import sqlite3
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import sqlalchemy as sa
from dagster._core.storage.event_log import SqliteEventLogStorage  # the path that dagster.yaml documents
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable

if TYPE_CHECKING:
    from dagster._serdes import ConfigurableClassData

BATCH_SIZE = 1_000
"""Events at most that are stored together; a process that is killed before that has not finished their step either."""
_OF_ASSETS = frozenset(
    {
        dg.DagsterEventType.ASSET_MATERIALIZATION,
        dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
        dg.DagsterEventType.ASSET_OBSERVATION,
    }
)
"""The types that have a row in the index and a line about their asset, and nothing else."""
_LEANS_ON = {
    "_event_to_row": ["event"],
    "run_connection": ["run_id"],
    "index_transaction": [],
    "store_asset_event_tags": ["events", "event_ids"],
    "store_asset_event": ["event", "event_id"],
}
"""Dagster's methods that `_store_together` calls, with their parameters."""
_RETURNING = (3, 35)
"""The first SQLite that answers an insert with the numbers of its rows."""
_log = logging.getLogger(__name__)


class BatchedEventLog(SqliteEventLogStorage):
    """Below `$DAGSTER_HOME`, in the files that Dagster's own class makes: either may open what the other wrote."""

    @classmethod
    def config_type(cls) -> Mapping[str, dg.Field]:
        """No options: the folder is the one that Dagster uses by default, wherever its home is moved."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: "ConfigurableClassData | None", config_value: Mapping[str, object]
    ) -> "BatchedEventLog":
        """Open the log of DAGSTER_HOME."""
        folder = Path(os.environ["DAGSTER_HOME"]) / "history" / "runs"
        return cls(str(folder), inst_data=inst_data)

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store a run's events: those of assets in one commit to the run's database and few to the index, then others.

        An asset's own row says what happened to it last, so it is written for the last event of each type only.
        """
        if not self._is_as_known:
            super().store_event_batch(events)
            return
        of_assets = [event for event in events if event.dagster_event_type in _OF_ASSETS]
        if of_assets:
            self._store_together(of_assets)
        super().store_event_batch([event for event in events if event.dagster_event_type not in _OF_ASSETS])

    @cached_property
    def _is_as_known(self) -> bool:
        strange = [name for name, parameters in _LEANS_ON.items() if _parameters(self, name) != parameters]
        if sqlite3.sqlite_version_info < _RETURNING:
            strange.append(f"SQLite {sqlite3.sqlite_version}")
        if strange:
            _log.warning(
                "Dagster's SQLite event log is not as this version of mlops-assets knows it (%s): events are stored "
                "one by one, as Dagster does. Nothing is lost; backfills of many partitions take longer.",
                ", ".join(strange),
            )
        return not strange

    def _store_together(self, events: Sequence[dg.EventLogEntry]) -> None:
        rows, table = [self._event_to_row(event) for event in events], SqlEventLogStorageTable
        with self.run_connection(events[0].run_id) as connection:
            connection.execute(sa.insert(table), rows)
        with self.index_transaction() as connection:
            numbered = sa.insert(table).returning(table.c.id, sort_by_parameter_order=True)
            ids = list(connection.execute(numbered, rows).scalars())
        self.store_asset_event_tags(events, ids)
        last = {_asset_and_type(event): (event, number) for event, number in zip(events, ids, strict=True)}
        for event, number in last.values():
            self.store_asset_event(event, number)


def _parameters(log: SqliteEventLogStorage, name: str) -> list[str] | None:
    method = getattr(log, name, None)
    return None if method is None else list(inspect.signature(method).parameters)


def _asset_and_type(event: dg.EventLogEntry) -> tuple[dg.AssetKey | None, str]:
    dagster_event = event.get_dagster_event()
    return dagster_event.asset_key, dagster_event.event_type_value
