"""Retention of bentos: which packages no release needs, shown first and deleted on request.

A bento can always be built again from its registered version.
"""

import re
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_NAME = re.compile(r"v(\d+)-[0-9a-f]{12}")
_LATEST = "latest"  # BentoML's own pointer to the one that was built last


@dataclass(frozen=True)
class OldBento:
    """A bento that the retention policy lets go, with its copy of the model."""

    tag: str
    folders: tuple[Path, ...]
    """The bento's and its model's; one of them when a build or a deletion was interrupted."""
    built_at: datetime
    size_bytes: int


@dataclass(frozen=True)
class _Stored:
    tag: str
    version: int
    folders: tuple[Path, ...]
    built_at: datetime


def plan_bento_retention(
    bentoml_home: Path,
    product: str,
    *,
    keep: int,
    protected_versions: Collection[int],
    protected_tags: Collection[str],
) -> tuple[OldBento, ...]:
    """List the product's bentos beside those in use and the newest `keep` others, oldest first; deletes nothing.

    In use are `protected_tags`, the newest bento of each of `protected_versions` (its model), and BentoML's `latest`.
    Folders that `bento/build.py` did not name are left alone.

    bentoml_home: the store of BentoML that holds them.
    """
    newest_first = sorted(_stored(bentoml_home, product), key=lambda b: (b.built_at, b.tag), reverse=True)
    newest_of = {bento.version: bento.tag for bento in reversed(newest_first)}
    needed = {newest_of[version] for version in protected_versions if version in newest_of}
    in_use = needed | set(protected_tags) | _latest(bentoml_home, product)
    others = [bento for bento in newest_first if bento.tag not in in_use]
    return tuple(_describe(bento) for bento in reversed(others[keep:]))


def apply_bento_retention(bentos: Sequence[OldBento]) -> None:
    """Delete the bentos and their models; what is gone already stays gone."""
    for bento in bentos:
        for folder in bento.folders:
            if folder.exists():
                shutil.rmtree(folder)


def _stored(bentoml_home: Path, product: str) -> list[_Stored]:
    folders: dict[str, list[Path]] = {}
    for store in ("bentos", "models"):
        for folder in (bentoml_home / store / product).glob("v*"):
            if folder.is_dir() and _NAME.fullmatch(folder.name):
                folders.setdefault(folder.name, []).append(folder)
    return [_store_entry(product, name, found) for name, found in folders.items()]


def _store_entry(product: str, name: str, folders: list[Path]) -> _Stored:
    built_at = max(folder.stat().st_mtime for folder in folders)
    version = int(name.removeprefix("v").split("-", maxsplit=1)[0])
    return _Stored(f"{product}:{name}", version, tuple(folders), datetime.fromtimestamp(built_at, UTC))


def _latest(bentoml_home: Path, product: str) -> set[str]:
    pointers = [bentoml_home / store / product / _LATEST for store in ("bentos", "models")]
    return {
        f"{product}:{pointer.read_text(encoding='utf-8').strip()}"
        for pointer in pointers
        if pointer.is_file()
    }


def _describe(bento: _Stored) -> OldBento:
    files = [file for folder in bento.folders for file in folder.rglob("*") if file.is_file()]
    return OldBento(bento.tag, bento.folders, bento.built_at, sum(file.stat().st_size for file in files))
