"""The feature views of versions that were trained with another view than a host's services declare, on its disk.

$MLOPS_SERVING_HOME/<product>/views/<digest>.json, as `view_to_json` writes it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlops_assets.core.errors import FeatureError, RegistryError
from mlops_assets.core.features.stored_view import view_from_json, view_to_json
from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.files import read_limited, replace_text
from mlops_assets.core.registry.version import ModelVersion

VIEWS_FOLDER = "views"
Fetch = Callable[[ModelVersion], FeatureView]
"""Returns a version's view, or raises RegistryError."""


@dataclass(frozen=True)
class ServedViews:
    """The views below `folder`."""

    folder: Path

    def ensure(self, version: ModelVersion, digest: str, fetch: Fetch) -> None:
        """Make sure that the version's view, which has this digest, lies on disk unharmed; else `fetch` gets it.

        Raises: RegistryError when it is not there and cannot be fetched, or is not the registered one.
        """
        try:
            read_view(self.folder, digest)
        except FeatureError:  # missing or damaged: it is fetched
            view = fetch(version)
            if view.digest != digest:
                raise RegistryError(
                    f"{version.product} version {version.version}: fetched was feature view {view.digest[:12]}, "
                    f"registered is {digest[:12]}"
                ) from None
            self.folder.mkdir(parents=True, exist_ok=True)
            replace_text(self.folder / f"{digest}.json", view_to_json(view), is_durable=True)

    def keep_only(self, digests: set[str]) -> None:
        """Remove all other views."""
        for entry in self.folder.iterdir() if self.folder.is_dir() else ():
            if entry.stem not in digests:
                entry.unlink()


def read_view(folder: Path, digest: str) -> FeatureView:
    """Read a view that `ServedViews` put below `folder`.

    Raises: FeatureError when it is missing, damaged, or another one.
    """
    file = folder / f"{digest}.json"
    try:
        view = view_from_json(read_limited(file).decode())
    except (OSError, UnicodeDecodeError) as error:
        raise FeatureError(f"{file} cannot be read: {error}") from error
    if view.digest != digest:
        raise FeatureError(f"{file} holds feature view {view.digest[:12]}, not {digest[:12]}")
    return view
