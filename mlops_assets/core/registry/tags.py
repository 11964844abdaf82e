"""The lean door to the model registry: tags, aliases and sources of versions, read and changed without loading MLflow.

MLflow takes several seconds of a core to import, which a rollback must not wait for and a follower must not pay
for. What is behind the door is MLflow's own registry, and MLflow reads what was written here
(docs/decisions/014-release-modes.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from mlops_assets.core.errors import RegistryError


@dataclass(frozen=True)
class RegistryEntry:
    """A version as the registry holds it."""

    version: int
    run_id: str
    model_uri: str
    created_at: datetime
    aliases: tuple[str, ...]
    tags: Mapping[str, str]


@dataclass(frozen=True)
class RegistryChange:
    """What is written together. `None` removes a tag or an alias."""

    guard: tuple[str, str | None]
    """A tag of the registered model and the value that it must still have; None: it must not be there."""
    model_tags: Mapping[str, str | None] = field(default_factory=dict)
    aliases: Mapping[str, int | None] = field(default_factory=dict)
    version_tags: Mapping[int, Mapping[str, str]] = field(default_factory=dict)


class RegistryTags(Protocol):
    """The registry at one tracking URI; safe to share between threads.

    Raises: RegistryError from every method when the registry does not answer.
    """

    def model_tags(self, product: str) -> Mapping[str, str]:
        """Return the tags of the registered model; none when it is not registered yet."""
        ...

    def version(self, product: str, version: int) -> RegistryEntry | None:
        """Return one version, or None."""
        ...

    def newest_version(self, product: str) -> int | None:
        """Return the largest version number; None when there is none."""
        ...

    def change(self, product: str, change: RegistryChange) -> bool:
        """Write the change if its guard holds, else nothing; tell which.

        On SQLite it is one transaction. Behind a server MLflow offers none: versions' tags are written first, then
        those of the model in the order given, then the aliases, and another writer of the same instant is found by
        reading again (see `registry/tags_mlflow.py`).
        """
        ...


def open_registry_tags(tracking_uri: str) -> RegistryTags:
    """Return the leanest door to the registry at `tracking_uri`.

    Raises: RegistryError when it is a SQLite file that does not exist: nothing is created by looking.
    """
    from mlops_assets.core.registry.tags_mlflow import MlflowRegistryTags
    from mlops_assets.core.registry.tags_sqlite import SqliteRegistryTags, sqlite_file

    file = sqlite_file(tracking_uri)
    if file is None:
        return MlflowRegistryTags(tracking_uri)
    if not file.is_file():
        raise RegistryError(
            f"there is no registry at {file} yet: materialize a product's model_version first"
        )
    tags = SqliteRegistryTags(file)
    return tags if tags.is_known_schema() else MlflowRegistryTags(tracking_uri)
