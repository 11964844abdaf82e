"""Where a table lies below the lakehouse's root."""

import re

from mlops_assets.core.errors import TableError

TABLE_NAME = re.compile(r"[a-z][a-z0-9_]*")
KEPT_LOG = {"delta.enableExpiredLogCleanup": "false"}
"""Configuration of every table: registered models point at versions, so the log that makes old ones readable stays."""


def table_uri(root: str, product: str, table: str) -> str:
    """Return the table's folder or URI.

    Raises: TableError for a name that cannot be a folder's on every store.
    """
    for name in (product, table):
        if not TABLE_NAME.fullmatch(name):
            raise TableError(f"{name!r} cannot name a table: it takes lower-case letters, digits and _ only")
    return f"{root.rstrip('/')}/{product}/{table}"
