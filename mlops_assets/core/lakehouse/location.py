"""Where a table lies below the lakehouse's root."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlops_assets.core.errors import TableError
from mlops_assets.core.folders import is_local, require_tables_folder

TABLE_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PLAIN = re.compile(r"[\w./:+~@,&'()*$!-]*", re.ASCII)
KEPT_LOG = {"delta.enableExpiredLogCleanup": "false"}
"""Configuration of every table: registered models point at versions, so the log that makes old ones readable stays."""


def table_uri(root: str, product: str, table: str) -> str:
    """Return the table's folder or URI.

    Raises: TableError for a name that cannot be a folder's on every store.
    """
    for name in (product, table):
        if not TABLE_NAME.fullmatch(name):
            raise TableError(f"{name!r} cannot name a table: it takes lower-case letters, digits and _ only")
    return folder_uri(root, product, table)


def folder_uri(root: str, *parts: str) -> str:
    """Return a folder below the root in the form that deltalake reads right: a URI where the path has blanks.

    Raises: ConfigurationError for a local folder whose tables could not be read again.
    """
    require_tables_folder(root, name="MLOPS_TABLES_URI or MLOPS_HOME")
    path = "/".join([root.rstrip("/"), *parts])
    return path if not is_local(root) or _PLAIN.fullmatch(path) else Path(path).absolute().as_uri()


def local_folder(uri: str) -> Path | None:
    """Return the folder of a table on this machine; None for one in an object store."""
    if uri.startswith("file://"):
        return Path(unquote(urlsplit(uri).path))
    return Path(uri) if is_local(uri) else None
