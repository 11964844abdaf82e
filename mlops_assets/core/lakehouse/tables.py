"""The lakehouse: Delta tables at `<root>/<product>/<table>`, read and written by whole UTC days or as a
whole.

Every write is one atomic commit that replaces exactly its own days and is skipped when nothing would change.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import polars as pl
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.exceptions import TableNotFoundError as DeltaTableNotFoundError

from mlops_assets.core.errors import TableError, TableNotFoundError
from mlops_assets.core.lakehouse.day_range import DayColumn, DayRange
from mlops_assets.core.lakehouse.location import KEPT_LOG, TABLE_NAME, folder_uri, table_uri
from mlops_assets.core.lakehouse.storable_types import to_storable
from mlops_assets.core.lakehouse.write import (
    CommitInfo,
    LostRaceError,
    Replacement,
    TableCommit,
    append_rows,
    data_version,
    file_format,
    last_write,
    stored_days,
    stored_rows,
    stored_schema,
    with_retries,
)


@dataclass(frozen=True)
class DeltaTables:
    """All tables under one root: a folder, or an s3://, gs:// or az:// URI.

    Credentials come from the standard environment variables (`AWS_*`, `GOOGLE_*`, `AZURE_*`); `storage_options`
    adds to or overrides them, under the same names. Commits to S3 are conditional puts, deltalake's default:
    a store that cannot do them refuses the commit instead of losing one.
    """

    root: str
    storage_options: Mapping[str, str] | None = field(default=None, repr=False)

    def uri(self, product: str, table: str) -> str:
        """Where the table lies."""
        return table_uri(self.root, product, table)

    def names(self, product: str) -> tuple[str, ...]:
        """The product's tables, sorted; none when nothing was ever written for it."""
        from deltalake.fs import DeltaStorageHandler
        from pyarrow.fs import FileSelector

        folder = folder_uri(self.root, product)
        try:
            store = DeltaStorageHandler(folder, dict(self.storage_options or {}))
        except DeltaTableNotFoundError:
            return ()
        paths = [entry.path for entry in store.get_file_info_selector(FileSelector("", allow_not_found=True))]
        return tuple(
            sorted(path for path in paths if TABLE_NAME.fullmatch(path) and self.exists(product, path))
        )

    def exists(self, product: str, table: str) -> bool:
        """Whether the table was ever written."""
        return self._find(product, table) is not None

    def write(
        self,
        product: str,
        table: str,
        frame: pl.DataFrame,
        *,
        days: DayRange | None,
        commit: CommitInfo,
        allow_new_columns: bool = False,
    ) -> TableCommit:
        """Replace `days` (None: the whole, unpartitioned table) by `frame` in one atomic commit, creating the
        table.

        No row is written when the stored rows already equal the frame: same columns and types, same rows as
        often, in any order (compared by 64-bit row hashes; -0.0 equals 0.0 and one NaN another). Where such a
        write has other `inputs` than the last one of these days, a commit without files states them. An empty
        frame is legal and keeps its columns. A write that replaces every stored row may change the schema;
        any other must fit it, save that with `allow_new_columns` new columns are added, which are null in the
        days written before.

        product, table: whose table. commit: what the commit says of its origin.

        Raises: TableError for rows outside `days`, a type that Delta cannot hold, a schema that does not fit,
        or when other writers of the same days won every race.
        """
        subject = f"{product}/{table}"
        rows = to_storable(frame, subject=subject)
        replacement = Replacement(subject, rows, days, commit, allow_new_columns)
        replacement.require_days()
        replacement = replacement.sorted_by_day()

        def attempt() -> TableCommit:
            stored = self._find(product, table)
            if stored is not None:
                return replacement.apply(stored)
            return self._create(
                product,
                table,
                replacement.rows,
                commit=commit,
                days=days,
                partition_by=replacement.partition_by,
            )

        return with_retries(subject, attempt)

    def append(self, product: str, table: str, frame: pl.DataFrame, *, commit: CommitInfo) -> TableCommit:
        """Add rows in one atomic commit, creating an unpartitioned table; nothing is written for an empty
        frame.

        An append that is run twice adds its rows twice: it suits histories whose rows are events of their
        own.
        Raises: TableError for a type that Delta cannot hold, or columns that differ from the stored ones.
        """
        subject = f"{product}/{table}"
        rows = to_storable(frame, subject=subject)

        def attempt() -> TableCommit:
            stored = self._find(product, table)
            if stored is None:
                return self._create(product, table, rows, commit=commit)
            return append_rows(stored, rows, subject=subject, commit=commit)

        return with_retries(subject, attempt)

    def append_derived(
        self,
        product: str,
        table: str,
        derive: Callable[[DeltaTable | None], tuple[pl.DataFrame, CommitInfo]],
        *,
        day_column: DayColumn | None,
        allow_new_columns: bool = False,
    ) -> TableCommit:
        """Add the rows that `derive` makes from the table as it stands (None: not written yet), in one atomic commit.

        When anything else was committed meanwhile, nothing is written and `derive` is asked again: rows that follow
        from what the table holds already are added once, however many writers there are. An empty frame writes nothing,
        save that it creates the table, partitioned by `day_column` (None: by nothing). With `allow_new_columns` columns
        may be added, which are null in the rows that are there.

        product, table: whose table. derive: also says of whom the commit is.

        Raises: TableError as `append`, and when other writers won every race.
        """
        subject = f"{product}/{table}"

        def attempt() -> TableCommit:
            stored = self._find(product, table)
            frame, commit = derive(stored)
            partition_by = [] if day_column is None else [day_column]
            rows = to_storable(frame, subject=subject)
            rows = rows.sort(partition_by, maintain_order=True) if partition_by else rows
            if stored is None:
                return self._create(product, table, rows, commit=commit, partition_by=partition_by)
            return append_rows(
                stored,
                rows,
                subject=subject,
                commit=commit,
                retries=0,
                allow_new_columns=allow_new_columns,
            )

        return with_retries(subject, attempt)

    def scan(
        self, product: str, table: str, *, days: DayRange | None = None, version: int | None = None
    ) -> pl.LazyFrame:
        """Lazily read the table, or the files of `days`, as of `version` or now; rows in no particular order.

        Raises: TableNotFoundError when it was never written; TableError when it is not partitioned by the
        column of `days`, or the version does not exist.
        """
        return stored_rows(self.delta(product, table, version=version), days, subject=f"{product}/{table}")

    def read(
        self,
        product: str,
        table: str,
        *,
        columns: Sequence[str] | None = None,
        days: DayRange | None = None,
        version: int | None = None,
    ) -> pl.DataFrame:
        """Read `columns` (None: all) of the table or of `days` of it; a partitioned table comes sorted by its
        day.

        Within a day no order is promised: sort by time and id where order matters.

        product, table: whose table. version: the newest when None.

        Raises: TableNotFoundError when it was never written; TableError for an unknown column, day column or
        version.
        """
        stored = self.delta(product, table, version=version)
        rows = stored_rows(stored, days, subject=f"{product}/{table}")
        names = list(stored_schema(stored))
        unknown = [name for name in columns or () if name not in names]
        if unknown:
            raise TableError(
                f"{product}/{table} has no column {', '.join(unknown)}; it has {', '.join(names)}"
            )
        partitioned_by = stored.metadata().partition_columns
        if partitioned_by:
            rows = rows.sort(partitioned_by, maintain_order=True)
        return rows.select(names if columns is None else columns).collect()

    def schema(self, product: str, table: str, *, version: int | None = None) -> dict[str, pl.DataType]:
        """Column names and Polars types, in stored order."""
        return stored_schema(self.delta(product, table, version=version))

    def version(self, product: str, table: str, *, days: DayRange | None = None) -> int | None:
        """The newest version that changed a row of `days` (None: any row); None when never written.

        A vacuum and the rewrite of other days do not count: as long as this stays, the rows do.
        """
        stored = self._find(product, table)
        return None if stored is None else data_version(stored, days)

    def history(self, product: str, table: str) -> list[dict[str, object]]:
        """Every commit, newest first: version, at, operation, run_id, code_version, inputs, days.

        `at` is UTC by the storage's clock. Maintenance commits are listed too; what a commit does not say is
        None.
        """
        return [
            {
                "version": entry["version"],
                "at": datetime.fromtimestamp(entry["timestamp"] / 1000, UTC),
                "operation": entry["operation"],
                **{key: entry.get(key) for key in ("run_id", "code_version", "inputs", "days")},
            }
            for entry in self.delta(product, table).history()
        ]

    def last_commit_info(self, product: str, table: str, *, days: DayRange | None = None) -> CommitInfo:
        """Who last wrote `days` of the table (None: any), or found its rows right, and from which inputs."""
        entry = last_write(self.delta(product, table), days)
        return CommitInfo(entry["run_id"], entry.get("code_version"), entry.get("inputs"))

    def day_counts(self, product: str, table: str, column: DayColumn = "event_date") -> pl.DataFrame:
        """One row per day that has rows, in order: the day column and `rows`; no data file is read.

        Raises: TableNotFoundError; TableError when the table is not partitioned by `column`.
        """
        stored = self.delta(product, table)
        if column not in stored.metadata().partition_columns:
            raise TableError(f"{product}/{table} is not partitioned by {column}")
        return stored_days(stored, column)

    def delta(self, product: str, table: str, *, version: int | None = None) -> DeltaTable:
        """The opened Delta table, as of `version` or now.

        Raises: TableNotFoundError when it was never written; TableError when the version does not exist.
        """
        stored = self._find(product, table, version=version)
        if stored is None:
            raise TableNotFoundError(
                f"{product}/{table} was never written below {self.root}: "
                f"materialize asset {product}/{table} first"
            )
        return stored

    def _find(self, product: str, table: str, *, version: int | None = None) -> DeltaTable | None:
        uri = self.uri(product, table)
        try:
            return DeltaTable(uri, version=version, storage_options=dict(self.storage_options or {}))
        except DeltaTableNotFoundError:
            return None
        except (DeltaError, OSError) as error:
            asked = "" if version is None else f" version {version}"
            raise TableError(
                f"{product}/{table}{asked} at {uri} cannot be opened; check MLOPS_TABLES_URI, the credentials in the "
                f"environment, and that the version exists: {error}"
            ) from error

    def _create(
        self,
        product: str,
        table: str,
        rows: pl.DataFrame,
        *,
        commit: CommitInfo,
        days: DayRange | None = None,
        partition_by: Sequence[str] = (),
    ) -> TableCommit:
        # With retries, deltalake lets both of two creators win: the later one appends to the other's table.
        properties = commit.properties(days=days, retries=0)
        try:
            write_deltalake(
                self.uri(product, table),
                rows,
                partition_by=list(partition_by),
                mode="error",
                configuration=KEPT_LOG,
                storage_options=dict(self.storage_options or {}),
                writer_properties=file_format(rows.schema),
                commit_properties=properties,
            )
        except CommitFailedError:
            raise
        except DeltaError as error:
            if self._find(product, table) is None:
                raise
            raise LostRaceError(f"{product}/{table} was created by another writer") from error
        return TableCommit(0, rows.height, changed=True)
