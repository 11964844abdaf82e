"""What a host needs of the versions of a plan: their models and feature views on its disk, each model proved once."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from mlops_assets.core.errors import PlatformError, RegistryError, ServingError
from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.model.libraries import libraries_from_json
from mlops_assets.core.registry.tag_names import GOLDEN_TAG, LIBRARIES_TAG, THRESHOLD_TAG, VIEW_TAG
from mlops_assets.core.registry.version import ModelVersion
from mlops_assets.core.serving.host.models_on_disk import ServedModels
from mlops_assets.core.serving.host.snapshot import MODELS_FOLDER, ServingSnapshot, VersionOnDisk
from mlops_assets.core.serving.host.views_on_disk import VIEWS_FOLDER, ServedViews
from serving.following.apart import NotWantedError
from serving.following.proving import MemoryLimit, ModelToProve, prove

Prove = Callable[[ModelToProve, MemoryLimit, Callable[[], bool]], int]
IsWanted = Callable[[], bool]
"""Whether the plan that needs a thing still stands; asked several times a second while it is made."""
_logger = logging.getLogger(__name__)


def prove_apart(model: ModelToProve, limit: MemoryLimit, is_wanted: Callable[[], bool]) -> int:
    """Prove a model in a process of its own, see `prove`."""
    return prove(model, limit, is_wanted=is_wanted)


class Fetcher(Protocol):
    """Gets from the registry what a version needs; each method may raise RegistryError or NotWantedError."""

    def model(self, version: ModelVersion, folder: Path, *, is_wanted: IsWanted) -> None:
        """Put the files of the version's model into `folder`."""

    def view(self, version: ModelVersion, *, is_wanted: IsWanted) -> FeatureView:
        """Return the feature view that the version was trained with."""
        ...


@dataclass
class HostVersions:
    """The versions of one product below `folder`."""

    product: str
    folder: Path
    fetcher: Fetcher
    view_digest: str
    """Of the feature view that this host's services declare; a version with another brings its own."""
    prove: Prove = prove_apart
    doing: str = ""
    """What takes time just now, for people."""
    _models: ServedModels = field(init=False)
    _views: ServedViews = field(init=False)
    _proved: dict[str, int] = field(default_factory=dict)
    """Digest to the bytes of memory that the model took."""

    def __post_init__(self) -> None:
        self._models = ServedModels(self.folder / MODELS_FOLDER)
        self._views = ServedViews(self.folder / VIEWS_FOLDER)

    def is_untouched(self, snapshot: ServingSnapshot) -> bool:
        """Tell whether the models of a snapshot are as they were last read; reads no file."""
        return self._models.is_untouched(served.digest for served in snapshot.versions.values())

    def ensure(self, version: ModelVersion, *, is_wanted: IsWanted) -> VersionOnDisk:
        """Put all that serving needs of the version on disk.

        Raises: RegistryError when it cannot be had, ServingError when its view cannot be computed here; NotWantedError.
        """
        missing = [tag for tag in (THRESHOLD_TAG, VIEW_TAG) if tag not in version.tags]
        if missing:
            raise RegistryError(
                f"{version.product} version {version.version} lacks the tags {', '.join(missing)}"
            )
        self._ensure_view(version, is_wanted)
        feature_names = self._ensure_model(version, is_wanted)
        return VersionOnDisk(
            version=version.version,
            digest=version.digest,
            threshold=float(version.tags[THRESHOLD_TAG]),
            view_digest=version.tags[VIEW_TAG],
            libraries=libraries_from_json(version.tags.get(LIBRARIES_TAG)),
            feature_names=feature_names,
            folder=self._models.folder / version.digest,
        )

    def require_proof(
        self,
        versions: Iterable[ModelVersion],
        limit: MemoryLimit,
        *,
        known_to_work: frozenset[str],
        is_wanted: IsWanted,
    ) -> None:
        """Prove the models that neither worked here nor were proved before; they are on disk.

        versions: of one plan. limit: for all of them together. known_to_work: digests. is_wanted: whether the plan
        still stands.

        Raises: ServingError as `prove` does.
        """
        for version in versions:
            digest = version.digest
            if digest in known_to_work or digest in self._proved:
                continue
            model = ModelToProve(
                f"{version.product} version {version.version}",
                self._models.folder / digest,
                digest,
                version.tags.get(GOLDEN_TAG),
            )
            _logger.info("%s: its model is tried in a process of its own", model.name)
            self.doing = f"the trial of {model.name} in a process of its own"
            growth = self._proved[digest] = self.prove(model, limit, is_wanted)
            limit = limit.less(growth)

    def keep_ready(self, version: ModelVersion, *, is_wanted: IsWanted) -> None:
        """Put on disk what a rollback to the version would need; what cannot be had is logged."""
        try:
            self._ensure_model(version, is_wanted)
            if VIEW_TAG in version.tags:
                self._ensure_view(version, is_wanted)
        except (PlatformError, OSError) as error:
            _logger.warning("%s: a rollback would have to fetch its model: %s", self.product, error)

    def keep_only(self, *, models: set[str], views: set[str]) -> None:
        """Remove all other models and views, by their digests."""
        self._models.keep_only(models)
        self._views.keep_only(views)
        self._proved = {digest: growth for digest, growth in self._proved.items() if digest in models}

    def _ensure_model(self, version: ModelVersion, is_wanted: IsWanted) -> tuple[str, ...]:
        self.doing = (
            f"the fetch of the model of {version.product} version {version.version} from the registry"
        )
        return self._models.ensure(version, partial(self.fetcher.model, is_wanted=is_wanted))

    def _ensure_view(self, version: ModelVersion, is_wanted: IsWanted) -> None:
        """Put the version's view on disk unless the services declare it themselves."""
        if (digest := version.tags[VIEW_TAG]) == self.view_digest:
            return
        self.doing = f"the fetch of the feature view of {version.product} version {version.version}"
        try:
            self._views.ensure(version, digest, partial(self.fetcher.view, is_wanted=is_wanted))
        except NotWantedError:
            raise
        except PlatformError as error:
            raise ServingError(
                f"{version.product} version {version.version} was trained with feature view {digest[:12]}, but this "
                f"service computes {self.view_digest[:12]}, and the version's own cannot be had ({error}): serve the "
                "bento of that version"
            ) from error
