"""Retention of table history: which files no kept version needs, shown first and deleted on request.

The newest rows are never touched; what is given up is time travel to versions older than the policy, unless a
registered model was trained on them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from deltalake import DeltaTable

from mlops_assets.core.errors import TableError
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import CommitInfo


@dataclass(frozen=True)
class TableRetention:
    """What the policy would delete of one table."""

    product: str
    table: str
    version: int
    """The table's newest version when this was planned; versions written since are kept."""
    kept_versions: tuple[int, ...]
    """Versions that stay readable: recent ones, the one in force when the kept time begins, and protected
    ones.
    """
    orphan_hours: int
    """Age after which a file that no commit mentions, left by a killed write, is deleted."""
    files: tuple[str, ...]
    """Data files that no kept version needs."""
    bytes: int
    oldest: datetime | None
    """When the first of the files was written, by the storage's clock; None without files."""


def plan_table_retention(
    tables: DeltaTables,
    product: str,
    *,
    now: datetime,
    keep_days: int,
    protected: Mapping[str, Collection[int]] | None = None,
) -> list[TableRetention]:
    """Say for each table of the product which files are no longer needed at `now`; deletes nothing.

    Kept are all versions that were the newest one at some time of the last `keep_days`, and `protected`: by
    table name the versions that registered models point to. Files of killed writes age by the storage's own
    clock.

    tables: the lakehouse.

    Raises: TableError when `keep_days` is below 1, since a running write has files that no commit mentions
    yet, or a protected version does not exist.
    """
    if keep_days < 1:
        raise TableError(
            f"keep_days is {keep_days}; at least 1 day is kept, so that running writes are not harmed"
        )
    cutoff = now - timedelta(days=keep_days)
    return [
        _plan(
            tables,
            product,
            table,
            cutoff=cutoff,
            protected=(protected or {}).get(table, ()),
            keep_days=keep_days,
        )
        for table in tables.names(product)
    ]


def apply_table_retention(
    tables: DeltaTables, plans: Sequence[TableRetention], *, commit: CommitInfo
) -> list[TableRetention]:
    """Delete what the plans name and return those that had something to delete; versions written since are
    kept.

    The rows of every kept version stay as they are. `commit` is noted in the table's history.
    """
    needed = [plan for plan in plans if plan.files]
    for plan in needed:
        stored = tables.delta(plan.product, plan.table)
        kept = [*plan.kept_versions, *range(plan.version + 1, stored.version() + 1)]
        for vacuum in _vacuums(plan.orphan_hours):
            vacuum.run(stored, kept, commit=commit)
    return needed


@dataclass(frozen=True)
class _Vacuum:
    """One pass: replaced files at once, since kept versions protect what is needed; orphans only when old."""

    is_full: bool
    hours: int

    def run(self, stored: DeltaTable, kept: list[int], *, commit: CommitInfo | None) -> list[str]:
        """List the files that the pass deletes, and delete them when a commit is given."""
        return stored.vacuum(
            retention_hours=self.hours,
            dry_run=commit is None,
            enforce_retention_duration=False,
            full=self.is_full,
            keep_versions=kept,
            commit_properties=None if commit is None else commit.properties(),
        )


def _vacuums(orphan_hours: int) -> tuple[_Vacuum, _Vacuum]:
    return _Vacuum(is_full=False, hours=0), _Vacuum(is_full=True, hours=orphan_hours)


def _plan(
    tables: DeltaTables,
    product: str,
    table: str,
    *,
    cutoff: datetime,
    protected: Collection[int],
    keep_days: int,
) -> TableRetention:
    from deltalake.fs import DeltaStorageHandler

    stored = tables.delta(product, table)
    kept = _kept_versions(tables.history(product, table), cutoff)
    unknown = sorted(version for version in protected if not 0 <= version <= stored.version())
    if unknown:
        raise TableError(
            f"{product}/{table}: versions {unknown} are protected, but the newest is {stored.version()}; "
            "is this the lakehouse that the registered models were trained on?"
        )
    kept |= set(protected)
    vacuums = _vacuums(keep_days * 24)
    named = sorted({file for vacuum in vacuums for file in vacuum.run(stored, sorted(kept), commit=None)})
    # The log goes on naming replaced files that an earlier vacuum deleted: only what exists is planned.
    files = DeltaStorageHandler(tables.uri(product, table), dict(tables.storage_options or {}))
    found = [info for info in files.get_file_info(named) if info.size]
    return TableRetention(
        product=product,
        table=table,
        version=stored.version(),
        kept_versions=tuple(sorted(kept)),
        orphan_hours=keep_days * 24,
        files=tuple(info.path for info in found),
        bytes=sum(info.size or 0 for info in found),
        oldest=min((info.mtime for info in found), default=None),
    )


def _kept_versions(history: Sequence[Mapping[str, object]], cutoff: datetime) -> set[int]:
    """Versions committed since the cutoff, and the one that was the newest at the cutoff; history is
    newest first.
    """
    kept: set[int] = set()
    for entry in history:
        version, at = entry["version"], entry["at"]
        if not isinstance(version, int) or not isinstance(at, datetime):
            raise TableError(f"a commit of the table's history says neither version nor time: {entry}")
        kept.add(version)
        if at <= cutoff:
            break
    return kept
