"""Packs a model version into a bento that serves by itself: a pinned model, its manifest, sources and requirements."""

import contextlib
import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version as distribution_version
from pathlib import Path

from mlops_assets.core.bento import build_process as bento_build
from mlops_assets.core.bento.golden_requests import example_event
from mlops_assets.core.bento.locked_requirements import locked_hashes, locked_text, unlocked
from mlops_assets.core.bento.pinned_requirements import pinned_requirements, requirements_of
from mlops_assets.core.bento.sources import BentoSources, bento_sources
from mlops_assets.core.errors import PackagingError
from mlops_assets.core.identity.code_base import CodeBase
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.product import Product
from mlops_assets.core.runtime.guard import guarded
from mlops_assets.core.serving.manifest import (
    EXAMPLE_FILE,
    MANIFEST_FILE,
    BentoManifest,
    ServedDeclaration,
    ServedFeature,
)

BUILD_TIMEOUT_SECONDS = 120.0
_log = logging.getLogger(__name__)
_FOLDER_VARIABLE = "BUILT_BENTO_FOLDER"
"""Marks the processes of one build with its temporary folder."""


@dataclass(frozen=True)
class BuiltBento:
    """A bento in the store under `bentoml_home`."""

    tag: str
    path: Path
    model_path: Path
    bentoml_home: Path


def build_bento(
    product: Product,
    model: TrainedModel,
    *,
    version: int,
    threshold: float,
    bentoml_home: Path,
    code: CodeBase | None = None,
) -> BuiltBento:
    """Build the bento of a version, or find it: the same model, declaration, code and libraries give the same tag and
    no work.

    The tag is `<product>:v<version>-<first 12 digits of the content's SHA-256>`; comments, docstrings and layout of the
    sources are no content. A bento or model that an interrupted build left incomplete, or that was changed since, is
    removed and built again. `code` is where the sources come from, by default what is installed.

    threshold: scores from there on are decided as 1. bentoml_home: the store of BentoML.

    Raises: FeatureError when the model takes a feature that the view does not have; PackagingError when BentoML
    refuses.
    """
    sources = bento_sources(product.name, code)
    names = requirements_of(sources.libraries)
    requirements = pinned_requirements(names)
    lock = _lock(requirements)
    untagged = _manifest(product, model, version=version, threshold=threshold, sources=sources, names=names)
    content = json.dumps([untagged.to_json(), requirements, hashlib.sha256(lock.encode()).hexdigest()])
    tag = f"{product.name}:v{version}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"
    manifest = replace(untagged, model_tag=tag)
    bento = built_bento(tag, bentoml_home)
    if not _is_complete(bento, manifest, lock=lock):
        _remove(bento)
        texts = {**sources.files, EXAMPLE_FILE: json.dumps(example_event(product)).encode()}
        with tempfile.TemporaryDirectory(prefix="bento-") as folder:
            _prepare(Path(folder), manifest, model, sources=texts, requirements=requirements, lock=lock)
            _run_build(Path(folder), bento)
    return bento


def _manifest(
    product: Product,
    model: TrainedModel,
    *,
    version: int,
    threshold: float,
    sources: BentoSources,
    names: Sequence[str],
) -> BentoManifest:
    spec, docs = product.spec, [product.view.describe(name) for name in model.feature_names]
    return BentoManifest(
        product=product.name,
        declaration=ServedDeclaration(
            title=spec.title,
            description=spec.description,
            label_description=spec.label.description,
            id_column=spec.id_column,
            entities=tuple(spec.entities),
        ),
        version=version,
        digest=model.digest,
        model_tag="",
        label=model.label,
        features=tuple(ServedFeature(doc.name, doc.description, doc.unit, doc.null_means) for doc in docs),
        libraries=tuple((name, distribution_version(name)) for name in names),
        threshold=threshold,
        view_digest=product.view.digest,
        sources_digest=sources.digest,
    )


def bento_environment(bentoml_home: Path) -> dict[str, str]:
    """Return the environment for a BentoML process: its own home, no telemetry, and nothing of our sources on
    the path.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**environment, "BENTOML_HOME": str(bentoml_home), "BENTOML_DO_NOT_TRACK": "true"}


def built_bento(tag: str, bentoml_home: Path) -> BuiltBento:
    """Return where the bento of that tag lies below `bentoml_home`, whether it is there or not."""
    relative = tag.replace(":", "/")
    return BuiltBento(
        tag, bentoml_home / "bentos" / relative, bentoml_home / "models" / relative, bentoml_home
    )


def _lock(requirements: Sequence[tuple[str, str]]) -> str:
    """The requirements with hashes; empty where a hash is not known, since pip takes all of them or none."""
    hashes = locked_hashes()
    if missing := unlocked(requirements, hashes):
        shown = ", ".join(missing[:3])
        _log.warning(
            "the bento's requirements carry no hashes: the lock file does not know %s (%d in all)",
            shown,
            len(missing),
        )
        return ""
    return locked_text(requirements, hashes)


def _is_complete(bento: BuiltBento, manifest: BentoManifest, *, lock: str) -> bool:
    if not (bento.path / "bento.yaml").is_file() or not (bento.model_path / "model.yaml").is_file():
        return False
    try:
        stored = BentoManifest.read(bento.path / "src" / MANIFEST_FILE)
        if lock and (bento.path / Path(*bento_build.LOCK_FILE)).read_text(encoding="utf-8") != lock:
            return False
        return stored == manifest and TrainedModel.load(bento.model_path).digest == manifest.digest
    except (PackagingError, OSError, UnicodeDecodeError):
        return False


def _remove(bento: BuiltBento) -> None:
    for folder in (bento.path, bento.model_path):
        if folder.exists():
            shutil.rmtree(folder)


def _prepare(
    folder: Path,
    manifest: BentoManifest,
    model: TrainedModel,
    *,
    sources: Mapping[str, bytes],
    requirements: Sequence[tuple[str, str]],
    lock: str,
) -> None:
    for name, text in {**sources, MANIFEST_FILE: manifest.to_json().encode()}.items():
        file = folder / bento_build.SOURCE_FOLDER / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text)
    model.save(folder / bento_build.MODEL_FOLDER)
    plan = {
        "tag": manifest.model_tag,
        "labels": {"product": manifest.product, "model_version": str(manifest.version)},
        "metadata": {"digest": manifest.digest},
        "description": f"{manifest.declaration.title}: version {manifest.version}",
        "requirements": [f"{name}=={version}" for name, version in requirements],
        "lock": lock,
    }
    (folder / bento_build.PLAN_FILE).write_text(json.dumps(plan), encoding="utf-8")


def _run_build(folder: Path, bento: BuiltBento) -> None:
    bento.bentoml_home.mkdir(parents=True, exist_ok=True)
    log = folder / "build.log"
    outcome = f"within {BUILD_TIMEOUT_SECONDS:.0f} s"
    mark = str(folder)
    with (
        guarded(
            _FOLDER_VARIABLE, mark
        ),  # a build that outlives a killed run would come in the way of the next one
        log.open("wb") as output,
        contextlib.suppress(subprocess.TimeoutExpired),
    ):
        built = subprocess.run(
            [
                sys.executable,
                "-P",
                bento_build.__file__,
                str(folder),
            ],  # BentoML imports the bento's sources, not ours
            env={**bento_environment(bento.bentoml_home), _FOLDER_VARIABLE: mark},
            cwd=folder / bento_build.SOURCE_FOLDER,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=BUILD_TIMEOUT_SECONDS,
            check=False,
        )
        if built.returncode == 0 and (bento.path / "bento.yaml").is_file():
            return
        outcome = f"(code {built.returncode})"
    tail = log.read_text(encoding="utf-8", errors="replace")[-2000:]
    raise PackagingError(f"bento {bento.tag} was not built {outcome}; the end of BentoML's log:\n{tail}")
