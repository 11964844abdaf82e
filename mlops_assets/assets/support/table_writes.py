"""The commits of one run to one lakehouse table, and what the asset's page says about them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import dagster as dg
import polars as pl

from mlops_assets.assets.support.column_docs import column_schema
from mlops_assets.assets.support.recorded_reads import RecordedReads
from mlops_assets.core.identity.identity import Identity
from mlops_assets.core.lakehouse.day_range import DayColumn, DayRange, rows_by_day
from mlops_assets.core.lakehouse.write import CommitInfo, TableCommit
from mlops_assets.core.product import Product
from mlops_assets.resources.lakehouse import LakehouseResource

LOGGED_WRITES = 31
"""Of a run's writes to one table, the first of which have a line each in its log."""
Shown = dg.MetadataValue | dg.TableSchema | dg.TableColumnLineage | str | int | float | bool
"""What an asset's page can show under a name."""


@dataclass
class TableWrites:
    """Writes a product's table block by block and adds up what was written."""

    context: dg.AssetExecutionContext
    lakehouse: LakehouseResource
    product: Product
    noun: str
    inputs: str | None = None
    """Digest or list of what the rows were made from, stored with each commit."""
    commits: list[TableCommit] = field(default_factory=list)
    rows_by_day: dict[date, int] = field(default_factory=dict)
    """Rows of each day that was replaced, also of days without any; empty for an unpartitioned table."""
    day_column: DayColumn | None = None

    def write(
        self,
        frame: pl.DataFrame,
        days: DayRange | None,
        *,
        reads: RecordedReads | None = None,
        allow_new_columns: bool = False,
    ) -> None:
        """Replace `days` of the table, or all of it, by `frame` in one commit, made from what `reads` has recorded."""
        if reads is not None:
            self.inputs = reads.identity().to_json()
        commit = self.lakehouse.tables.write(
            self.product.name,
            self.noun,
            frame,
            days=days,
            commit=self.commit_info,
            allow_new_columns=allow_new_columns,
        )
        self.record(commit, frame, days)

    def write_report(self, frame: pl.DataFrame, days: DayRange | None, *, made_from: Identity) -> None:
        """Replace `days` of a report's table, whose stored rows may be of a version with other columns.

        Columns that this version does not write are null in its rows, as its new ones are in the rows of before.
        """
        tables, product = self.lakehouse.tables, self.product.name
        stored = tables.scan(product, self.noun).collect_schema() if tables.exists(product, self.noun) else {}
        gone = [
            pl.lit(None, dtype).alias(name) for name, dtype in stored.items() if name not in frame.columns
        ]
        self.inputs = made_from.to_json()
        self.write(frame.with_columns(gone), days, allow_new_columns=True)

    def record(self, commit: TableCommit, frame: pl.DataFrame, days: DayRange | None) -> None:
        """Add a commit that replaced `days` of the table, or all of it, by `frame`."""
        self.commits.append(commit)
        if days is not None:
            self.day_column = days.column
            self.rows_by_day |= rows_by_day(frame, days)
        if len(self.commits) > LOGGED_WRITES:  # a line in Dagster's log takes as long as a small write
            return
        what = "wrote" if commit.changed else "unchanged:"
        self.context.log.info(
            f"{self.noun}: {what} {commit.rows} rows of {days or 'the table'}, version {commit.version}"
        )

    @property
    def commit_info(self) -> CommitInfo:
        """Who writes: this run, by the code of the asset."""
        return CommitInfo(run_id=self.context.run.run_id, code_version=self.code_version, inputs=self.inputs)

    @property
    def code_version(self) -> str:
        """The code version of the asset that writes, also where it writes a second table beside its own."""
        versions = self.context.assets_def.code_versions_by_key
        own = versions.get(dg.AssetKey([self.product.name, self.noun]))
        return str(own or next(iter(versions.values())))

    @property
    def rows(self) -> int:
        """Rows of all blocks together."""
        return sum(commit.rows for commit in self.commits)

    def result(
        self,
        shown: Mapping[str, Shown] | None = None,
        *,
        each: Mapping[str, Shown] | None = None,
        check_results: Sequence[dg.AssetCheckResult] = (),
    ) -> dg.MaterializeResult:
        """Describe what was written: rows, table version and place, columns with their meaning, and `shown`.

        A range of days makes one event per day. Each says its own rows, the table version and `each`; all else travels
        with the last one, which is the one that the asset's page shows: pictures and schemas in every one of 183 events
        would make the event log forty times larger.
        """
        key = dg.AssetKey([self.product.name, self.noun])
        state: dict[str, Shown] = {
            "table_version": self.commits[-1].version,
            "changed": any(commit.changed for commit in self.commits),
            **_rounded(each or {}),
        }
        everything = {**self._description(), **state, **_rounded(shown or {})}
        if self.rows_by_day:
            self._describe_days(key, everything)
        return dg.MaterializeResult(
            asset_key=key,
            metadata=state if self.rows_by_day else everything,
            data_version=dg.DataVersion(str(self.commits[-1].version)),
            check_results=check_results,
        )

    def _describe_days(self, key: dg.AssetKey, everything: Mapping[str, Shown]) -> None:
        time, rows_by_key = self.product.spec.time, Counter[str]()
        for day, rows in self.rows_by_day.items():
            rows_by_key[day.isoformat() if time is None else time.partition_key(day)] += rows
        for partition, rows in rows_by_key.items():
            self.context.add_asset_metadata(
                {"dagster/partition_row_count": rows}, asset_key=key, partition_key=partition
            )
        self.context.add_asset_metadata(everything, asset_key=key, partition_key=max(rows_by_key))

    def _description(self) -> dict[str, Shown]:
        tables, product = self.lakehouse.tables, self.product
        rows = self.rows
        if self.day_column is not None:
            rows = int(tables.day_counts(product.name, self.noun, self.day_column)["rows"].sum())
        return {
            "dagster/row_count": rows,
            "dagster/column_schema": column_schema(
                product, self.noun, tables.schema(product.name, self.noun)
            ),
            "dagster/uri": tables.uri(product.name, self.noun),
        }


def significant(value: float) -> float:
    """Return a number with the four significant digits that a person reads."""
    return float(f"{value:.4g}")


def _rounded(shown: Mapping[str, Shown]) -> dict[str, Shown]:
    """Numbers as a person reads them; the tables have all digits."""
    return {name: significant(value) if isinstance(value, float) else value for name, value in shown.items()}
