"""The lakehouse as a Dagster resource: assets take it as a parameter and read and write by whole days."""

import dagster as dg
from pydantic import Field

from mlops_assets.core.lakehouse.tables import DeltaTables


class LakehouseResource(dg.ConfigurableResource):
    """Delta tables below one root; see docs/decisions/001-delta-tables.md for why it is no IO manager."""

    tables_uri: str = Field(description="Folder, or s3://, gs:// or az:// URI, that holds <product>/<table>.")
    storage_options: dict[str, str] = Field(
        default={},
        description="Object store options that override AWS_*, GOOGLE_* and AZURE_* environment variables; "
        "secrets belong into the environment.",
    )

    @property
    def tables(self) -> DeltaTables:
        """The tables, opened anew for every read and write."""
        return DeltaTables(self.tables_uri, self.storage_options or None)
