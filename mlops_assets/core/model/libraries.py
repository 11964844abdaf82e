"""The libraries that a score depends on, as they were when a model was trained."""

import json
from collections.abc import Mapping
from importlib.metadata import version

from mlops_assets.core.errors import RegistryError

SCORING_LIBRARIES = ("lightgbm", "numpy", "polars", "scikit-learn", "scipy")
"""Another version of one of these may give other features or other scores."""


def installed_libraries() -> dict[str, str]:
    """Return name and version of the scoring libraries that are installed here."""
    return {name: version(name) for name in SCORING_LIBRARIES}


def libraries_to_json(libraries: Mapping[str, str]) -> str:
    """Return the libraries as canonical JSON."""
    return json.dumps(dict(libraries), sort_keys=True, separators=(",", ":"))


def libraries_from_json(text: str | None) -> dict[str, str]:
    """Read what `libraries_to_json` wrote; none for a model of before this was recorded.

    Raises: RegistryError when the text is something else.
    """
    if text is None:
        return {}
    try:
        return {str(name): str(found) for name, found in json.loads(text).items()}
    except (ValueError, AttributeError) as error:
        raise RegistryError(f"recorded libraries cannot be read: {text[:200]!r}") from error
