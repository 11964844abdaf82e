"""The registry's tags through MLflow's own client: for every registry that is no plain SQLite file."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlops_assets.core.registry.mlflow_client import answering_registry, mlflow_client
from mlops_assets.core.registry.tags import RegistryChange, RegistryEntry

if TYPE_CHECKING:
    from mlflow import MlflowClient

SETTLE_SECONDS = 0.5
"""After so long a writer of the same instant has written too, and one of the two finds the other's value."""


@dataclass(frozen=True)
class MlflowRegistryTags:
    """The registry at `tracking_uri`."""

    tracking_uri: str

    def model_tags(self, product: str) -> Mapping[str, str]:
        """See `RegistryTags.model_tags`."""
        with self._client() as client:
            found = client.search_registered_models(f"name = '{product}'")
        return dict(found[0].tags) if found else {}

    def version(self, product: str, version: int) -> RegistryEntry | None:
        """See `RegistryTags.version`."""
        from mlflow.exceptions import MlflowException

        with self._client() as client:
            try:
                entry = client.get_model_version(product, str(version))
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                return None
        return RegistryEntry(
            version=version,
            run_id=entry.run_id or "",
            model_uri=entry.source or "",
            created_at=datetime.fromtimestamp(entry.creation_timestamp / 1000, UTC),
            aliases=tuple(sorted(entry.aliases)),
            tags=dict(entry.tags),
        )

    def newest_version(self, product: str) -> int | None:
        """See `RegistryTags.newest_version`."""
        with self._client() as client:
            found = client.search_model_versions(
                f"name = '{product}'", max_results=1, order_by=["version_number DESC"]
            )
        return int(found[0].version) if found else None

    def change(self, product: str, change: RegistryChange) -> bool:
        """See `RegistryTags.change`.

        MLflow has no compare-and-set. The guard is read before, and the guarded tag again `SETTLE_SECONDS` after it
        was written: of two writers of the same instant the one whose value is gone learns it. A writer that pauses
        longer than that between reading and writing is not caught.
        """
        name, expected = change.guard
        if self.model_tags(product).get(name) != expected:
            return False
        with self._client() as client:
            for version, tags in change.version_tags.items():
                for key, value in tags.items():
                    client.set_model_version_tag(product, str(version), key, value)
            for key, value in change.model_tags.items():
                if value is None:
                    client.delete_registered_model_tag(product, key)
                else:
                    client.set_registered_model_tag(product, key, value)
        written = change.model_tags.get(name, expected)
        if written != expected:
            time.sleep(SETTLE_SECONDS)
        if self.model_tags(product).get(name) != written:
            return False
        self._set_aliases(product, change.aliases)
        return True

    def _set_aliases(self, product: str, aliases: Mapping[str, int | None]) -> None:
        with self._client() as client:
            for alias, version in aliases.items():
                if version is None:
                    client.delete_registered_model_alias(product, alias)
                else:
                    client.set_registered_model_alias(product, alias, str(version))

    @contextmanager
    def _client(self) -> "Iterator[MlflowClient]":
        client = mlflow_client(self.tracking_uri)
        with answering_registry(self.tracking_uri):
            yield client
