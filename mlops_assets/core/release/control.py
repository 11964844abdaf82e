"""The one place that says what is released, and changes it: the record in the lakehouse, by compare-and-set.

Loads no MLflow where the registry is a SQLite file, so that a rollback takes a fraction of a second.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.lakehouse.ledger import Ledger, stored_column
from mlops_assets.core.lakehouse.location import table_uri
from mlops_assets.core.masking import masked
from mlops_assets.core.registry.kept import require_kept
from mlops_assets.core.registry.mlflow_client import load_mlflow, require_server
from mlops_assets.core.registry.open_tags import open_registry_tags
from mlops_assets.core.registry.tags import RegistryTags
from mlops_assets.core.registry.tracking_location import sqlite_file
from mlops_assets.core.registry.version import ModelVersion, find_version
from mlops_assets.core.release.hand_edits import deleted, edited_versions, moved_aliases, why_edited
from mlops_assets.core.release.mirror import Mirror, foreign_record, write_mirror
from mlops_assets.core.release.plan import ReleasePlan
from mlops_assets.core.release.record import COLUMNS, TABLE, Entry, ReleaseRecord
from mlops_assets.core.release.takeover import entries_of_registry
from mlops_assets.core.runtime.patience import ask_within
from mlops_assets.core.settings import Settings

MAXIMUM_ATTEMPTS = 20
"""How often a change that lost a race is decided again before it gives up."""
PATIENCE_SECONDS = 2.0
"""How long a rollback waits for each answer of a registry before it goes through without it."""
MIRROR_SECONDS = 10.0
"""How long a change waits until MLflow shows it, where no other process sees to that."""
_MIRROR_ATTEMPTS = 10
_HISTORY_TABLE = "release"
_logger = logging.getLogger(__name__)

Decide = Callable[[ReleaseRecord], Sequence[Entry]]
_Answer = TypeVar("_Answer")


@dataclass
class ReleaseControl:
    """The releases of all products of one lakehouse, whose models lie in one registry; used by one thread."""

    tables_uri: str
    tracking_uri: str
    storage_options: Mapping[str, str] = field(default_factory=dict, repr=False)
    after_change: "Callable[[ReleaseControl, str], object] | None" = None
    """What brings MLflow up to a change of the product; None: `repair` does, before the change returns or for
    MIRROR_SECONDS."""
    _ledgers: dict[str, Ledger] = field(default_factory=dict, init=False, repr=False)
    _records: dict[str, ReleaseRecord] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(
        cls, settings: Settings, *, after_change: "Callable[[ReleaseControl, str], object] | None" = None
    ) -> "ReleaseControl":
        """Return the control of the platform's own lakehouse and registry."""
        return cls(settings.tables_uri, settings.tracking_uri, after_change=after_change)

    def record(self, product: str) -> ReleaseRecord:
        """Return everything that was decided about the product's releases; one row of work where nothing changed.

        A home of before the table `decisions` shows what its registry's tags hold; the first change writes it down.

        Raises: TableError when the lakehouse does not answer. RegistryError when a row cannot be read, or the table is
        not where the registry says that there was one.
        """
        state = self._ledger(product).read()
        if state.version is None:
            return ReleaseRecord(product, self._entries_before(product))
        known = self._records.get(product)
        if known is None or known.state is not state:
            known = self._records[product] = ReleaseRecord.of_state(product, state)
        return known

    def standing(self, product: str) -> ReleasePlan | None:
        """Return the plan as it stands; None before the first release. Raises as `record` does."""
        return self.record(product).standing

    def version(self, product: str, version: int) -> ModelVersion:
        """Return one version as the registry has it now.

        Raises: RegistryError when there is none of that number, or none any more, or the registry does not answer.
        """
        tags = self._tags()
        if tags.version(product, version) is None and self.record(product).has_released(version):
            raise RegistryError(deleted(product, version, tags.versions(product)))
        return find_version(tags, product, version)

    def why_changed(self, product: str, version: int) -> str | None:
        """Say that the registry has the version no more, or other facts of it; None when it has it as it was.

        For whoever must not wait: each answer is waited for PATIENCE_SECONDS, and MLflow's client is loaded once its
        server has answered at all.

        Raises: RegistryError when the registry does not answer, or not in time.
        """
        record = self.record(product)
        if sqlite_file(self.tracking_uri) is None:
            self._in_time(lambda: require_server(self.tracking_uri))
            load_mlflow()
        if self._in_time(lambda: self._tags().version(product, version)) is not None:
            return self._in_time(lambda: why_edited(record, version, self._tags()))
        try:
            others = self._in_time(lambda: self._tags().versions(product))
        except RegistryError:  # it has said that there is no such version
            others = None
        return deleted(product, version, others)

    def _in_time(self, ask: Callable[[], _Answer]) -> _Answer:
        try:
            return ask_within(PATIENCE_SECONDS, ask)
        except TimeoutError as error:
            raise RegistryError(
                f"the registry at {masked(self.tracking_uri)} did not answer within {PATIENCE_SECONDS:g} s"
            ) from error

    def newest(self, product: str) -> ModelVersion:
        """Return the newest version.

        Raises: RegistryError when the product has none yet.
        """
        numbers = self._tags().versions(product)
        if not numbers:
            raise RegistryError(
                f"{product} has no registered version: materialize {product}/model_version first"
            )
        return self.version(product, numbers[-1])

    def change(self, product: str, decide: Decide, *, follows_plan: bool = True) -> ReleaseRecord:
        """Add the entries that `decide` makes from the record as it stands, in one commit; return the record with them.

        When another commit came between, nothing was written and `decide` is asked again, so that it sees a rejection
        that was made meanwhile. What follows from the standing plan is not decided again under another one. No entries:
        nothing is written. MLflow is brought up to the change afterwards; it may lag behind, the record never does.

        Raises: RegistryError when another plan stands meanwhile, and what `decide` raises. TableError when the
        lakehouse does not answer.
        """
        first = record = self.record(product)
        for _ in range(MAXIMUM_ATTEMPTS):
            if follows_plan and record.standing != first.standing:
                raise RegistryError(_changed_meanwhile(product, record))
            entries = tuple(decide(record))
            if not entries:
                return record
            changed = record.followed_by(entries)
            if self._write(changed, by=entries[0].by):
                self._bring_up(product)
                return changed
            record = self.record(product)
        raise RegistryError(
            f"{product}: {MAXIMUM_ATTEMPTS} changes in a row lost against other writers; let one work at a time"
        )

    def take_over(self, product: str) -> None:
        """Write down what only the tags of a home of before the table `decisions` hold; a home with the table stays."""
        record = self.record(product)
        if record.state.version is None and record.entries:
            self._write(record, by="taken over from the registry's tags")

    def repair(self, product: str) -> tuple[str, ...]:
        """Let MLflow show what the record says; return in words what people changed there, and what it refuses to show.

        The record is read again after MLflow was written: of writers at the same time the last one to look finds what
        an earlier one has overwritten.

        Raises: RegistryError when the registry does not answer.
        """
        refused: tuple[str, ...] | None = None
        moved: tuple[str, ...] = ()
        for _ in range(_MIRROR_ATTEMPTS):
            record = self.record(product)
            if record.state.version is None and not self._has_registry():
                return ()
            tags = self._tags()
            if record.state.version is None:
                return edited_versions(record, tags)
            found = tags.model(product)
            foreign = foreign_record(record, found)
            if foreign is not None:
                return (f"MLflow shows the releases of another lakehouse (its record is {foreign})",)
            if refused or Mirror.of(record).is_shown(found):
                return (*moved, *(edited_versions(record, tags) or refused or ()))
            if refused is None:
                moved = moved_aliases(record, found, tags)
            refused = write_mirror(self.tracking_uri, record, found)
        return ("MLflow was changed by others again and again",)

    def _bring_up(self, product: str) -> None:
        try:
            if self.after_change is not None:
                self.after_change(self, product)
                return
            for words in self._repaired_in_time(product):
                _logger.warning("%s: %s", product, words)
        except (RegistryError, TimeoutError) as error:
            _logger.warning("%s: the change is made, but MLflow does not show it yet: %s", product, error)

    def _repaired_in_time(self, product: str) -> tuple[str, ...]:
        """Repair for MIRROR_SECONDS at most, by a control that the thread which may be left behind has for itself."""
        load_mlflow()
        own = ReleaseControl(self.tables_uri, self.tracking_uri, self.storage_options)
        return ask_within(MIRROR_SECONDS, lambda: own.repair(product))

    def _write(self, record: ReleaseRecord, *, by: str) -> bool:
        rows = record.rows()
        return self._ledger(record.product).extend(
            record.state, rows[len(record.state.rows) :], notes={"run_id": by}
        )

    def _tags(self) -> RegistryTags:
        return open_registry_tags(self.tracking_uri)

    def _ledger(self, product: str) -> Ledger:
        if product not in self._ledgers:
            uri = table_uri(self.tables_uri, product, TABLE)
            self._ledgers[product] = Ledger(uri, COLUMNS, dict(self.storage_options))
        return self._ledgers[product]

    def _has_registry(self) -> bool:
        require_kept(self.tracking_uri)
        file = sqlite_file(self.tracking_uri)
        return file is None or file.is_file()

    def _entries_before(self, product: str) -> tuple[Entry, ...]:
        if not self._has_registry():
            return ()
        history = table_uri(self.tables_uri, product, _HISTORY_TABLE)
        return entries_of_registry(
            self._tags(),
            product,
            stored_plans=stored_column(history, "plan", storage_options=self.storage_options),
            decisions_uri=table_uri(self.tables_uri, product, TABLE),
        )


def _changed_meanwhile(product: str, record: ReleaseRecord) -> str:
    plan = record.standing
    told = (
        f"plan {plan.sequence} by {plan.by} ({plan.reason}) stands now"
        if plan is not None
        else "none stands now"
    )
    return f"{product}: the release plan was changed meanwhile, {told}: look at it and decide again"
