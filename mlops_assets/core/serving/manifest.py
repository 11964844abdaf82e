"""What a bento knows of itself, as `product.json`: product, version, model, threshold, view and library versions."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from mlops_assets.core.errors import PackagingError
from mlops_assets.core.formats import other_format

MANIFEST_FILE = "product.json"
EXAMPLE_FILE = "example.json"
"""Beside the manifest: an event as a request sends it, for the documentation of the endpoints."""
FORMAT_VERSION = 3


@dataclass(frozen=True)
class ServedFeature:
    """One feature that the model reads."""

    name: str
    description: str
    unit: str
    null_means: str
    """What a missing value says; empty when the feature is never missing."""


@dataclass(frozen=True)
class ServedDeclaration:
    """What a service says of its product: the part of the product's defs.yaml that it needs."""

    title: str
    description: str
    label_description: str
    id_column: str
    entities: tuple[str, ...]


@dataclass(frozen=True)
class BentoManifest:
    """The released version as its bento serves it."""

    product: str
    declaration: ServedDeclaration
    version: int
    digest: str
    """SHA-256 of the model, see `TrainedModel.digest`."""
    model_tag: str
    """BentoML model that the bento is pinned to."""
    label: str
    features: tuple[ServedFeature, ...]
    """In the order in which the model was trained."""
    libraries: tuple[tuple[str, str], ...]
    """Name and version of the libraries that the offline scores were made with."""
    threshold: float
    """Scores from here on are decided as 1."""
    view_digest: str
    """Of the feature view that the bento's sources declare and the model was trained with."""
    sources_digest: str
    """Of what the bento's sources do; comments and layout do not count."""

    def to_json(self) -> str:
        """Return the manifest as JSON; the same manifest gives the same text."""
        return json.dumps({"format_version": FORMAT_VERSION, **asdict(self)}, sort_keys=True, indent=1) + "\n"

    @classmethod
    def read(cls, file: Path) -> "BentoManifest":
        """Read what `to_json` wrote.

        Raises: PackagingError when the file is missing or is no manifest of this format.
        """
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            if (found := content.pop("format_version")) != FORMAT_VERSION:
                remedy = "build the bento again with this version, or use it with the version that built it"
                raise PackagingError(other_format(str(file), found, readable=FORMAT_VERSION, remedy=remedy))
            declared = content.pop("declaration")
            declaration = ServedDeclaration(**{**declared, "entities": tuple(declared["entities"])})
            features = tuple(ServedFeature(**feature) for feature in content.pop("features"))
            libraries = tuple((name, version) for name, version in content.pop("libraries"))
            return cls(declaration=declaration, features=features, libraries=libraries, **content)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise PackagingError(f"{file} cannot be read as a bento's manifest: {error!r}") from error
