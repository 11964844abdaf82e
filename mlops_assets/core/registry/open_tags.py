"""Chooses the leanest door to a registry."""

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.registry.kept import require_kept
from mlops_assets.core.registry.tags import RegistryTags
from mlops_assets.core.registry.tracking_location import sqlite_file


def open_registry_tags(tracking_uri: str) -> RegistryTags:
    """Return the leanest door to the registry at `tracking_uri`.

    Raises: RegistryError when it is a SQLite file that does not exist: nothing is created by looking. RegistryGoneError
    when there was one.
    """
    from mlops_assets.core.registry.tags_mlflow import MlflowRegistryTags
    from mlops_assets.core.registry.tags_sqlite import SqliteRegistryTags

    require_kept(tracking_uri)
    file = sqlite_file(tracking_uri)
    if file is None:
        return MlflowRegistryTags(tracking_uri)
    if not file.is_file():
        raise RegistryError(
            f"there is no registry at {file} yet: materialize a product's model_version first"
        )
    tags = SqliteRegistryTags(file)
    return tags if tags.is_known_schema() else MlflowRegistryTags(tracking_uri)
