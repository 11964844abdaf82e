"""Which folders the libraries underneath can take, and how one that they cannot is refused by name."""

import re

from mlops_assets.core.errors import ConfigurationError

_UNREADABLE_TABLES = re.compile(r"[\[\]^|\\=]|%[0-9A-Fa-f]{2}")
"""Signs at which deltalake 1.6 panics, or reads another folder than it writes; `=` divides Hive's partitions."""
_UNREADABLE_DATABASES = re.compile(r"\?")
"""In SQLAlchemy's URLs the query begins there, so that Dagster and MLflow open another file."""


def is_local(uri: str) -> bool:
    """Whether a place is a folder of this machine, and no URI."""
    return "://" not in uri


def require_tables_folder(root: str, *, name: str) -> None:
    """Refuse a local folder whose tables could not be read again; `name` is the variable that says it.

    Raises: ConfigurationError naming the sign.
    """
    if is_local(root) and (found := _UNREADABLE_TABLES.search(root)):
        raise ConfigurationError(
            f"{name}: tables cannot lie in {root}: Delta Lake's library cannot read a path with {found[0]!r}; "
            "choose another folder"
        )


def require_database_folder(folder: str, *, name: str) -> None:
    """Refuse a folder in which no SQLite database can be addressed; `name` is the variable that says it.

    Raises: ConfigurationError naming the sign.
    """
    if found := _UNREADABLE_DATABASES.search(folder):
        raise ConfigurationError(
            f"{name}: {folder} has {found[0]!r}, after which a SQLite database's address ends; choose another folder"
        )
