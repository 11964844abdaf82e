"""A lazy read of an opened table, in folders of any name."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import polars as pl
from deltalake import DeltaTable


def scan_table(stored: DeltaTable) -> pl.LazyFrame:
    """Lazily read an opened table; rows in no particular order."""
    split = urlsplit(stored.table_uri)
    if split.scheme not in ("", "file") or "%" not in stored.table_uri:
        return pl.scan_delta(stored)
    # Polars 2.1 opens the quoted paths of a local table as they are, and so finds no file.
    folder = Path(unquote(split.path))
    columns = dict(pl.scan_delta(stored).collect_schema())
    files = [folder / unquote(path) for path in stored.get_add_actions(flatten=True)["path"].to_pylist()]
    if not files:
        return pl.LazyFrame(schema=columns)
    partitions = {name: columns[name] for name in stored.metadata().partition_columns}
    return pl.scan_parquet(
        files,
        glob=False,
        schema={name: dtype for name, dtype in columns.items() if name not in partitions},
        hive_partitioning=bool(partitions),
        hive_schema=partitions or None,
        missing_columns="insert",
        extra_columns="ignore",
    ).select(list(columns))
