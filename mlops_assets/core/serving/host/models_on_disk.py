"""The models of a host's services on its disk: fetched from the registry, verified, and removed when out of use.

$MLOPS_SERVING_HOME/<product>/models/<digest>/.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mlops_assets.core.errors import PackagingError, RegistryError
from mlops_assets.core.files import sync
from mlops_assets.core.model.trained_model import BOOSTER_FILE, DOCUMENT_FILE, StoredModel, stored_model
from mlops_assets.core.registry.version import ModelVersion

Fetch = Callable[[ModelVersion, Path], None]
"""Puts the files of a version's model into a folder, or raises RegistryError."""
Signature = tuple[tuple[int, int], ...]


@dataclass
class ServedModels:
    """The models below `folder`; none is read into memory, since one may be larger than that."""

    folder: Path
    _verified: dict[str, tuple[Signature, tuple[str, ...]]] = field(default_factory=dict)
    """Digest to the state of its files when they were last read, and the model's feature names."""

    def ensure(self, version: ModelVersion, fetch: Fetch) -> tuple[str, ...]:
        """Make sure that the version's model lies on disk unharmed; return its feature names.

        Files that were read before are read again only after they were touched. `fetch` gets a model that is missing or
        damaged from the registry.

        Raises: RegistryError when the model is not there and cannot be fetched, or is not the registered one.
        """
        known = self._verified.get(version.digest)
        folder = self.folder / version.digest
        if known is None or known[0] != _signature(folder):
            model = self._load(folder, version.digest) or self._store(folder, version, fetch)
            known = self._verified[version.digest] = (_signature(folder), model.feature_names)
        return known[1]

    def is_untouched(self, digests: Iterable[str]) -> bool:
        """Tell whether these models were verified and none of their files changed since; no file is read."""
        return all(
            digest in self._verified and self._verified[digest][0] == _signature(self.folder / digest)
            for digest in digests
        )

    def keep_only(self, digests: set[str]) -> None:
        """Remove all other models, and what an interrupted fetch left behind."""
        for entry in self.folder.iterdir() if self.folder.is_dir() else ():
            if entry.name not in digests:
                self._verified.pop(entry.name, None)
                shutil.rmtree(entry)

    def _load(self, folder: Path, digest: str) -> StoredModel | None:
        try:
            model = stored_model(folder)
        except PackagingError:
            return None  # missing or damaged: it is fetched
        return model if model.digest == digest else None

    def _store(self, folder: Path, version: ModelVersion, fetch: Fetch) -> StoredModel:
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".", dir=self.folder))
        try:
            fetch(version, temporary)
            model = _fetched(temporary, version)
            for file in temporary.iterdir():
                sync(file)
            if folder.exists():
                shutil.rmtree(folder)
            temporary.chmod(0o755)
            temporary.rename(folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)  # half of it would fill a full disk for good
            raise
        return model


def _fetched(folder: Path, version: ModelVersion) -> StoredModel:
    name = f"{version.product} version {version.version}"
    try:
        model = stored_model(folder)
    except PackagingError as error:
        raise RegistryError(f"{name}: what was fetched is no model of ours: {error}") from error
    if model.digest != version.digest:
        raise RegistryError(
            f"{name}: fetched was model {model.digest[:12]}, registered is {version.digest[:12]}"
        )
    return model


def _signature(folder: Path) -> Signature:
    try:
        stats = [(folder / name).stat() for name in (BOOSTER_FILE, DOCUMENT_FILE)]
    except OSError:
        return ()
    return tuple((stat.st_mtime_ns, stat.st_size) for stat in stats)
