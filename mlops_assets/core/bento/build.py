"""Packs a model version into a bento that serves by itself.

The bento holds the model (as a pinned BentoML model), its manifest, the sources that serve it and pinned
requirements.
"""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path

import mlops_assets
from mlops_assets.core.bento import build_process as bento_build
from mlops_assets.core.bento.pinned_requirements import pinned_requirements
from mlops_assets.core.errors import PackagingError
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.serving.manifest import MANIFEST_FILE, BentoManifest, ServedFeature

REQUIREMENTS = (
    "bentoml",
    "deltalake",
    "hiredis",
    "httptools",
    "lightgbm",
    "mlflow-skinny",
    "msgspec",
    "numpy",
    "pandera",
    "polars",
    "prometheus-client",
    "pydantic",
    "pyyaml",
    "redis",
    "scikit-learn",
    "scipy",
    "uvloop",
)
"""What the sources in a bento import; pinned, with all that they need, to the versions that are installed here."""
BUILD_TIMEOUT_SECONDS = 120.0
_SOURCES = (
    "mlops_assets/__init__.py",
    "mlops_assets/catalogue.py",
    "mlops_assets/core",
    "mlops_assets/products",
    "serving",
)
_SUFFIXES = (".py", ".yaml")
_ENTRY = '''"""The bento's service; `bentoml serve` starts here."""

from pathlib import Path

from serving.service import make_service

service = make_service(Path(__file__).with_name("product.json"))
'''


@dataclass(frozen=True)
class BuiltBento:
    """A bento in the store under `bentoml_home`."""

    tag: str
    path: Path
    model_path: Path
    bentoml_home: Path


def build_bento(
    *,
    product: str,
    title: str,
    version: int,
    model: TrainedModel,
    features: Sequence[ServedFeature],
    threshold: float,
    view_digest: str,
    bentoml_home: Path,
) -> BuiltBento:
    """Build the bento of a version, or find it: the same model, sources and libraries give the same tag and
    no work.

    The tag is `<product>:v<version>-<first 12 digits of the content's SHA-256>`. A bento or model that an
    interrupted build left incomplete, or that was changed since, is removed and built again.

    Raises: PackagingError when `features` are not the model's, or when BentoML refuses.
    """
    names = tuple(feature.name for feature in features)
    if names != model.feature_names:
        raise PackagingError(
            f"{product} version {version}: described are the features {names}, but the model takes "
            f"{model.feature_names}"
        )
    sources = _sources()
    libraries = tuple((name, installed_version(name)) for name in REQUIREMENTS)
    texts = [list(source) for source in sources.items()]
    requirements = pinned_requirements(REQUIREMENTS)
    content = json.dumps([model.digest, title, threshold, view_digest, libraries, requirements, texts])
    tag = f"{product}:v{version}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"
    manifest = BentoManifest(
        product=product,
        title=title,
        version=version,
        digest=model.digest,
        model_tag=tag,
        label=model.label,
        features=tuple(features),
        libraries=libraries,
        threshold=threshold,
        view_digest=view_digest,
    )
    bento = built_bento(tag, bentoml_home)
    if not _is_complete(bento, manifest):
        _remove(bento)
        with tempfile.TemporaryDirectory(prefix="bento-") as folder:
            _prepare(Path(folder), manifest, model, sources=sources, requirements=requirements)
            _run_build(Path(folder), bento)
    return bento


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


def _is_complete(bento: BuiltBento, manifest: BentoManifest) -> bool:
    if not (bento.path / "bento.yaml").is_file() or not (bento.model_path / "model.yaml").is_file():
        return False
    try:
        stored = BentoManifest.read(bento.path / "src" / MANIFEST_FILE)
        return stored == manifest and TrainedModel.load(bento.model_path).digest == manifest.digest
    except PackagingError:
        return False


def _remove(bento: BuiltBento) -> None:
    for folder in (bento.path, bento.model_path):
        if folder.exists():
            shutil.rmtree(folder)


def _sources() -> dict[str, str]:
    """Return the text of every source file that goes into a bento, by its path there, in a fixed order."""
    root = Path(mlops_assets.__file__).parent.parent
    found = {}
    for source in _SOURCES:
        files = [root / source] if (root / source).is_file() else (root / source).rglob("*")
        for file in files:
            if file.suffix in _SUFFIXES:
                found[file.relative_to(root).as_posix()] = file.read_text(encoding="utf-8")
    return {"bento_service.py": _ENTRY, **dict(sorted(found.items()))}


def _prepare(
    folder: Path,
    manifest: BentoManifest,
    model: TrainedModel,
    *,
    sources: dict[str, str],
    requirements: Sequence[tuple[str, str]],
) -> None:
    for name, text in {**sources, MANIFEST_FILE: manifest.to_json()}.items():
        file = folder / bento_build.SOURCE_FOLDER / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    model.save(folder / bento_build.MODEL_FOLDER)
    plan = {
        "tag": manifest.model_tag,
        "labels": {"product": manifest.product, "model_version": str(manifest.version)},
        "metadata": {"digest": manifest.digest},
        "description": f"{manifest.title}: version {manifest.version}",
        "requirements": [f"{name}=={version}" for name, version in requirements],
    }
    (folder / bento_build.PLAN_FILE).write_text(json.dumps(plan), encoding="utf-8")


def _run_build(folder: Path, bento: BuiltBento) -> None:
    bento.bentoml_home.mkdir(parents=True, exist_ok=True)
    log = folder / "build.log"
    outcome = f"within {BUILD_TIMEOUT_SECONDS:.0f} s"
    with log.open("wb") as output, contextlib.suppress(subprocess.TimeoutExpired):
        built = subprocess.run(
            [sys.executable, "-m", bento_build.__name__, str(folder)],
            env=bento_environment(bento.bentoml_home),
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
