"""The registry's tags through MLflow's own client: for every registry that is no plain SQLite file."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlops_assets.core.registry.mlflow_client import answering_registry, mlflow_client
from mlops_assets.core.registry.tags import RegisteredEntry, RegistryEntry

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class MlflowRegistryTags:
    """The registry at `tracking_uri`."""

    tracking_uri: str

    def model(self, product: str) -> RegisteredEntry:
        """See `RegistryTags.model`."""
        with self._client() as client:
            found = client.search_registered_models(f"name = '{product}'")
        if not found:
            return RegisteredEntry()
        aliases = {alias: int(version) for alias, version in found[0].aliases.items()}
        return RegisteredEntry(dict(found[0].tags), aliases)

    def versions(self, product: str) -> tuple[int, ...]:
        """See `RegistryTags.versions`."""
        numbers, token = [], None
        with self._client() as client:
            while True:
                page = client.search_model_versions(f"name = '{product}'", max_results=1000, page_token=token)
                numbers += [int(entry.version) for entry in page]
                if not (token := page.token):
                    return tuple(sorted(numbers))

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
            tags=dict(entry.tags),
        )

    @contextmanager
    def _client(self) -> "Iterator[MlflowClient]":
        client = mlflow_client(self.tracking_uri)
        with answering_registry(self.tracking_uri):
            yield client
