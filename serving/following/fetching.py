"""Has the artifacts of a version fetched by a process of its own, so that a registry that hangs holds up nothing."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlops_assets.core.errors import FeatureError, RegistryError
from mlops_assets.core.features.stored_view import view_from_json
from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.files import read_limited
from mlops_assets.core.masking import masked
from mlops_assets.core.registry.version import ModelVersion
from serving.following.apart import run_apart
from serving.following.artifact_fetch import FETCHED_VIEW, REGISTRY_VARIABLE

FETCH = "serving.following.artifact_fetch"
FETCH_SECONDS = 600
"""Within which an artifact must be there: of the largest model that is 3.6 MB a second."""
_SHOWN = 300
"""Characters that are shown of what the process said last."""


@dataclass(frozen=True)
class ArtifactFetcher:
    """Fetches from one registry; `is_wanted` is asked several times a second, and ends the fetch when it says no."""

    tracking_uri: str

    def model(self, version: ModelVersion, folder: Path, *, is_wanted: Callable[[], bool]) -> None:
        """Put the files of the version's model into `folder`.

        Raises: RegistryError when they cannot be had in time; NotWantedError.
        """
        subject = f"the model of {version.product} version {version.version}"
        self._fetch(["model", version.model_uri, str(folder)], subject, is_wanted)

    def view(self, version: ModelVersion, *, is_wanted: Callable[[], bool]) -> FeatureView:
        """Return the feature view that was stored with the version's run; raises as `model` does."""
        subject = f"the feature view of {version.product} version {version.version}"
        with tempfile.TemporaryDirectory() as folder:
            self._fetch(["view", version.run_id, folder], subject, is_wanted)
            try:
                return view_from_json(read_limited(Path(folder) / FETCHED_VIEW).decode())
            except (OSError, UnicodeDecodeError, FeatureError) as error:
                raise RegistryError(f"{subject} cannot be read: {error}") from error

    def _fetch(self, what: list[str], subject: str, is_wanted: Callable[[], bool]) -> None:
        ended = run_apart(
            FETCH,
            [*what, "--subject", subject],
            seconds=FETCH_SECONDS,
            is_wanted=is_wanted,
            environment={REGISTRY_VARIABLE: self.tracking_uri},
        )
        if ended.code == 0:
            return
        place = masked(self.tracking_uri)
        if ended.is_late:
            raise RegistryError(
                f"the registry at {place} did not hand over {subject} within {FETCH_SECONDS} s"
            )
        if refused := ended.told.get("refused"):
            raise RegistryError(str(refused))
        said = masked(ended.errors.strip()[-_SHOWN:])
        raise RegistryError(
            f"the process that fetched {subject} ended with code {ended.code}; it said: {said}"
        )
