"""Opens the online store that the settings name."""

import re
from pathlib import Path

from mlops_assets.core.errors import ConfigurationError
from mlops_assets.core.masking import masked
from mlops_assets.core.online_store.protocol import OnlineStore

_NAME = re.compile(r"[a-z][a-z0-9_]*")


def open_online_store(location: str, product: str) -> OnlineStore:
    """Return the product's store at `location`, a folder of SQLite files or a redis:// or rediss:// URL.

    Nothing is opened before its first use, so a service starts while its store is away.
    Raises: ConfigurationError for another kind of URL, or a name that no product has.
    """
    if not _NAME.fullmatch(product):
        raise ConfigurationError(
            f"{product!r} is no product's name: it takes lower-case letters, digits and _"
        )
    if location.startswith(("redis://", "rediss://")):
        from mlops_assets.core.online_store.redis import RedisOnlineStore

        return RedisOnlineStore(location, product)
    if "://" in location:
        raise ConfigurationError(
            f"MLOPS_ONLINE_STORE is {masked(location)}; it takes a folder, or a redis:// or rediss:// URL"
        )
    from mlops_assets.core.online_store.sqlite import SqliteOnlineStore

    return SqliteOnlineStore(_file(location, product))


def is_store_there(location: str, product: str) -> bool:
    """Tell whether opening the product's store would make none: its SQLite file exists, or a server has it."""
    return "://" in location or _file(location, product).exists()


def store_file(location: str, product: str) -> Path | None:
    """Return the file of the product's embedded store, whether it exists or not; None for a server's."""
    return None if "://" in location else _file(location, product)


def _file(location: str, product: str) -> Path:
    return Path(location).expanduser().absolute() / f"{product}.sqlite"
