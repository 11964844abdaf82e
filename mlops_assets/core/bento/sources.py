"""The sources that a bento carries: the import closure of what serves, and nothing beside it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops_assets.core.identity.closure import Closure, closure_of
from mlops_assets.core.identity.code_base import CodeBase, installed_code

SERVICE_MODULE = "serving.service"
PRODUCT_MODULES = ("features", "schemas")
"""Modules of a product's folder that serving imports by names that it puts together."""
ENTRY_FILE = "bento_service.py"
_ENTRY = '''"""The bento's service; `bentoml serve` starts here."""

from pathlib import Path

from serving.service import make_service

service = make_service(Path(__file__).parent)
'''


@dataclass(frozen=True)
class BentoSources:
    """Source files by their path in the bento, and what they do as a digest."""

    files: Mapping[str, bytes]
    digest: str
    """Equal for sources that differ in comments, docstrings and layout only."""
    libraries: tuple[str, ...]
    """Top-level modules that they import and that are neither ours nor Python's own."""


def bento_sources(product: str, code: CodeBase | None = None) -> BentoSources:
    """Collect the sources that serve `product`, by default as they are installed.

    Raises: IdentityError when a module is missing, or is no Python.
    """
    code = code or installed_code()
    roots = [SERVICE_MODULE, *(f"mlops_assets.products.{product}.{module}" for module in PRODUCT_MODULES)]
    closure = closure_of(code, modules=roots)
    files = {ENTRY_FILE: _ENTRY.encode(), **_texts(code, closure)}
    content = f"{closure.digest}\n{_ENTRY}"
    return BentoSources(files, hashlib.sha256(content.encode()).hexdigest(), closure.libraries)


def _texts(code: CodeBase, closure: Closure) -> dict[str, bytes]:
    paths = [*(code.module_file(name) for name in closure.modules), *closure.files]
    return {_place(code, path): code.source_of(path) for path in sorted(paths)}


def _place(code: CodeBase, path: Path) -> str:
    root = next(folder.parent for folder in code.folders.values() if path.is_relative_to(folder))
    return path.relative_to(root).as_posix()
