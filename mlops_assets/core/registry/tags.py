"""The lean door to the model registry: tags, aliases and sources of versions, read without loading MLflow.

MLflow takes several seconds of a core to import, which a release command must not wait for. What is behind the door is
MLflow's own registry; everything is written by MLflow's client.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class RegisteredEntry:
    """A registered model as the registry holds it; empty when it is not registered yet."""

    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)
    """Alias to version."""


@dataclass(frozen=True)
class RegistryEntry:
    """A version as the registry holds it."""

    version: int
    run_id: str
    model_uri: str
    created_at: datetime
    tags: Mapping[str, str]


class RegistryTags(Protocol):
    """The registry at one tracking URI; safe to share between threads.

    Raises: RegistryError from every method when the registry does not answer.
    """

    def model(self, product: str) -> RegisteredEntry:
        """Return the tags and aliases of the registered model."""
        ...

    def versions(self, product: str) -> tuple[int, ...]:
        """Return the numbers of all versions that were not deleted, in order."""
        ...

    def version(self, product: str, version: int) -> RegistryEntry | None:
        """Return one version, or None when there is none of that number, or it was deleted."""
        ...
