"""The commits of one run to one lakehouse table, and what the asset's page says about them."""

from dataclasses import dataclass, field

import dagster as dg
import polars as pl

from mlops_assets.assets.column_docs import column_schema
from mlops_assets.core.day_range import DayRange
from mlops_assets.core.product import Product
from mlops_assets.core.table_write import CommitInfo, TableCommit
from mlops_assets.resources.lakehouse import LakehouseResource


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

    def write(self, frame: pl.DataFrame, days: DayRange | None) -> None:
        """Replace `days` of the table, or all of it, by `frame` in one commit."""
        versions = self.context.assets_def.code_versions_by_key
        code_version = versions.get(dg.AssetKey([self.product.name, self.noun])) or next(
            iter(versions.values())
        )
        commit = self.lakehouse.tables.write(
            self.product.name,
            self.noun,
            frame,
            days=days,
            commit=CommitInfo(
                run_id=self.context.run.run_id, code_version=str(code_version), inputs=self.inputs
            ),
        )
        self.commits.append(commit)
        what = "wrote" if commit.changed else "unchanged:"
        self.context.log.info(
            f"{self.noun}: {what} {commit.rows} rows of {days or 'the table'}, version {commit.version}"
        )

    @property
    def rows(self) -> int:
        """Rows of all blocks together."""
        return sum(commit.rows for commit in self.commits)

    @property
    def data_version(self) -> dg.DataVersion:
        """The table version that holds the rows."""
        return dg.DataVersion(str(self.commits[-1].version))

    def metadata(self) -> dict[str, dg.MetadataValue | dg.TableSchema]:
        """Rows, table version and place, whether anything changed, and the columns with their descriptions."""
        tables = self.lakehouse.tables
        return {
            "dagster/row_count": dg.MetadataValue.int(self.rows),
            "dagster/column_schema": column_schema(self.product, tables.schema(self.product.name, self.noun)),
            "dagster/uri": dg.MetadataValue.text(tables.uri(self.product.name, self.noun)),
            "table_version": dg.MetadataValue.int(self.commits[-1].version),
            "changed": dg.MetadataValue.bool(any(commit.changed for commit in self.commits)),
        }
