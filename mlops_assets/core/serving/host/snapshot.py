"""What a host's services serve right now: the last good release plan with its models, as one file beside them.

    $MLOPS_SERVING_HOME/<product>/plan.json            the snapshot
    $MLOPS_SERVING_HOME/<product>/models/<digest>/     model files, see `TrainedModel.save`

One follower writes it, every worker reads it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_assets.core.errors import PlatformError, ServingError
from mlops_assets.core.files import read_limited, replace_text
from mlops_assets.core.formats import other_format
from mlops_assets.core.release.plan import ReleasePlan

SNAPSHOT_FILE = "plan.json"
MODELS_FOLDER = "models"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class VersionOnDisk:
    """A version that an arm of the plan needs."""

    version: int
    digest: str
    """SHA-256 of the model, see `TrainedModel.digest`."""
    threshold: float
    """Scores from here on are decided as 1."""
    view_digest: str
    """Of the feature view that the model was trained with."""
    libraries: Mapping[str, str]
    """Name to version, as they were at training time; empty for versions of before this was recorded."""
    feature_names: tuple[str, ...]
    """In the order in which the model takes them."""
    folder: Path
    """Where the model's files are."""


@dataclass(frozen=True)
class ServingSnapshot:
    """A release plan and, by number, exactly the versions of its arms.

    Raises: ServingError at construction when they are others.
    """

    plan: ReleasePlan
    versions: Mapping[int, VersionOnDisk]

    def __post_init__(self) -> None:
        needed = {arm.version for arm in self.plan.arms}
        named = {entry.version for entry in self.versions.values()}
        if not needed == named == set(self.versions):
            raise ServingError(
                f"snapshot of plan {self.plan.sequence} needs the versions {sorted(needed)}, but has "
                f"{sorted(self.versions)}"
            )

    def write(self, file: Path) -> None:
        """Put the snapshot in the place of the one before, in one step that survives a power cut.

        The same snapshot gives the same bytes. `folder` is not stored: it is `models/<digest>` beside the file.
        """
        text = _canonical(self.to_document())
        content = {"format_version": FORMAT_VERSION, "digest": _digest(text), "snapshot": self.to_document()}
        replace_text(file, _canonical(content) + "\n", is_durable=True)

    @classmethod
    def read(cls, file: Path) -> "ServingSnapshot":
        """Read what `write` wrote.

        Raises: ServingError when the file is missing, damaged, or of another format.
        """
        try:
            content = json.loads(read_limited(file))
            if (found := content["format_version"]) != FORMAT_VERSION:
                remedy = "bring this host's services and their follower to one version of mlops-assets"
                raise ServingError(other_format(str(file), found, readable=FORMAT_VERSION, remedy=remedy))
            document = content["snapshot"]
            if content["digest"] != _digest(_canonical(document)):
                raise ServingError(f"{file} does not match its digest: it was changed or is damaged")
            return cls.from_document(document, file.parent)
        except ServingError:
            raise
        except (OSError, ValueError, TypeError, KeyError, PlatformError) as error:
            raise ServingError(f"{file} cannot be read as a serving snapshot: {error!r}") from error

    @classmethod
    def from_document(cls, document: Mapping[str, Any], folder: Path) -> "ServingSnapshot":
        """Return what `to_document` wrote, for models below `folder`.

        Raises: KeyError, TypeError or PlatformError for what it did not write.
        """
        served = [_read_version(entry, folder) for entry in document["versions"]]
        return cls(ReleasePlan.from_json(document["plan"]), {entry.version: entry for entry in served})

    def to_document(self) -> dict[str, object]:
        """Return the snapshot as JSON values; where its models lie is left out."""
        versions = [
            {
                "version": served.version,
                "digest": served.digest,
                "threshold": served.threshold,
                "view_digest": served.view_digest,
                "libraries": dict(served.libraries),
                "feature_names": list(served.feature_names),
            }
            for _, served in sorted(self.versions.items())
        ]
        return {"plan": self.plan.to_json(), "versions": versions}


def snapshot_file(serving_home: Path, product: str) -> Path:
    """Return where the product's snapshot lies."""
    return serving_home / product / SNAPSHOT_FILE


def _read_version(entry: dict[str, object], folder: Path) -> VersionOnDisk:
    content: dict[str, object] = {
        **entry,
        "feature_names": tuple(entry["feature_names"]),  # pyright: ignore[reportArgumentType]
        "folder": folder / MODELS_FOLDER / str(entry["digest"]),
    }
    return VersionOnDisk(**content)  # pyright: ignore[reportArgumentType]


def _canonical(content: object) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
