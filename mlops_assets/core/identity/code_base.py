"""The source files of our packages, found by module name and read without importing anything."""

import ast
import hashlib
import importlib.util
import json
import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from mlops_assets.core.errors import IdentityError
from mlops_assets.core.files import replace_text
from mlops_assets.core.identity.reach import reach_of
from mlops_assets.core.identity.syntax import CodeFacts, facts_of, module_tree

PACKAGES = ("mlops_assets", "serving")
FORMAT = 1
MOST_FACTS = 2_000
_log = logging.getLogger(__name__)


@dataclass
class FactsCache:
    """What was found in source texts, kept beside Python's own compiled files and by the texts' digests.

    Parsing all packages takes most of a second. A cache that cannot be read or written costs that time, no more.
    """

    file: Path | None
    _known: dict[str, list[Any]] = field(default_factory=dict)
    _used: set[str] = field(default_factory=set)
    _is_read: bool = False
    _is_new: bool = False

    def get(self, key: str, find: Callable[[], CodeFacts]) -> CodeFacts:
        """Return the facts under `key`, found now if they are not known yet."""
        self._read()
        self._used.add(key)
        if key not in self._known:
            facts = find()
            self._known[key] = [facts.digest, facts.imports, facts.texts, facts.attributes]
            self._is_new = True
            return facts
        digest, *lists = self._known[key]
        return CodeFacts(digest, *(tuple(names) for names in lists))

    def save(self) -> None:
        """Keep what was found since for the next process."""
        if self.file is None or not self._is_new:
            return
        self._is_new = False
        if len(self._known) > MOST_FACTS:  # most of them are about sources that are gone
            self._known = {key: facts for key, facts in self._known.items() if key in self._used}
        try:
            replace_text(self.file, json.dumps({"format": FORMAT, "facts": self._known}))
        except OSError as error:
            _log.debug("facts about the code are not kept: %s", error)

    def _read(self) -> None:
        if self.file is None or self._is_read:
            return
        self._is_read = True
        try:
            stored = json.loads(self.file.read_text(encoding="utf-8"))
            self._known.update(stored["facts"] if stored["format"] == FORMAT else {})
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return


@dataclass(frozen=True)
class CodeBase:
    """The packages whose code counts; all else that is imported is a library."""

    folders: Mapping[str, Path]
    """Folder by the name of the top-level package."""
    source_of: Callable[[Path], bytes] = Path.read_bytes
    """Reads a source file."""
    facts_cache: FactsCache = field(default_factory=lambda: FactsCache(None))
    _places: dict[str, Path | None] = field(default_factory=dict)
    _modules: dict[str, CodeFacts] = field(default_factory=dict)
    _functions: dict[tuple[str, ...], CodeFacts] = field(default_factory=dict)
    _imported: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _files: dict[str, dict[Path, str]] = field(default_factory=dict)

    def owns(self, name: str) -> bool:
        """Whether a dotted name lies in one of the packages."""
        return name.split(".", 1)[0] in self.folders

    def find(self, name: str) -> Path | None:
        """Return the file of a module or package; None when there is none of that name."""
        if name not in self._places:
            package, *parts = name.split(".")
            candidates = []
            if package in self.folders:
                place = self.folders[package].joinpath(*parts)
                candidates = [
                    place / "__init__.py",
                    *([place.with_name(f"{place.name}.py")] if parts else []),
                ]
            self._places[name] = next((file for file in candidates if file.is_file()), None)
        return self._places[name] or (_on_a_packages_path(name) if self.owns(name) else None)

    def module_file(self, name: str) -> Path:
        """Return the file of a module.

        Raises: IdentityError when there is none.
        """
        file = self.find(name)
        if file is None:
            raise IdentityError(f"there is no module {name} in {', '.join(map(str, self.folders.values()))}")
        return file

    def module(self, name: str) -> CodeFacts:
        """Return the facts of a whole module.

        Raises: IdentityError when it does not exist or is no Python.
        """
        if name not in self._modules:
            source = self.source_of(self.module_file(name))
            self._modules[name] = self.facts_cache.get(
                _key(source), lambda: facts_of([self._tree(name, source)])
            )
        return self._modules[name]

    def function(self, module: str, qualname: str, *, left_out: tuple[str, ...]) -> CodeFacts:
        """Return the facts of what one function of a module reaches in it; see `reach_of`.

        Raises: IdentityError when there is no such module or function.
        """
        key = (module, qualname, *left_out)
        if key not in self._functions:
            source = self.source_of(self.module_file(module))

            def find() -> CodeFacts:
                tree = self._tree(module, source)
                return facts_of(reach_of(tree, qualname, is_left_out=lambda name: is_within(name, left_out)))

            self._functions[key] = self.facts_cache.get(_key(source, *key), find)
        return self._functions[key]

    def files(self, name: str) -> dict[Path, str]:
        """Return path and digest of the files in a module's folder, no Python, that the module names."""
        if name not in self._files:
            places = [self.module_file(name).parent / text for text in self.module(name).texts]
            self._files[name] = {
                file: hashlib.sha256(self.source_of(file)).hexdigest()
                for file in places
                if file.suffix != ".py" and file.is_file()
            }
        return self._files[name]

    def imported_by(self, facts: CodeFacts) -> tuple[str, ...]:
        """Return the modules of the packages that some code imports or starts by name, and the packages around them."""
        if facts.digest not in self._imported:
            named = {
                name
                for text in (*facts.imports, *facts.texts)
                if self.owns(text) and self.find(text) is not None
                for name in with_packages(text)
            }
            self._imported[facts.digest] = tuple(sorted(named))
        return self._imported[facts.digest]

    def _tree(self, name: str, source: bytes) -> ast.Module:
        try:
            return module_tree(source, name=name)
        except (SyntaxError, ValueError) as error:
            raise IdentityError(f"module {name} is no Python: {error}") from error


@cache
def installed_code(*more: str) -> CodeBase:
    """Return our packages and `more` as they are installed, read once per process: what it imported stays, too."""
    folders = {}
    for package in (*PACKAGES, *more):
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            folders[package] = Path(spec.origin).parent
    name = f"identity.{sys.implementation.cache_tag}.json"
    return CodeBase(folders, facts_cache=FactsCache(folders[PACKAGES[0]] / "__pycache__" / name))


def is_within(name: str, packages: tuple[str, ...]) -> bool:
    """Whether a dotted name is one of `packages` or lies in one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def with_packages(name: str) -> tuple[str, ...]:
    """Return a dotted name and those of the packages around it, outermost first."""
    parts = name.split(".")
    return tuple(".".join(parts[: length + 1]) for length in range(len(parts)))


@cache
def _rules() -> bytes:
    """How facts are found: another reader of syntax trees finds other facts in the same source."""
    here = Path(__file__)
    return b"".join(here.with_name(f"{name}.py").read_bytes() for name in ("syntax", "reach"))


def _key(source: bytes, *of: str) -> str:
    content = hashlib.sha256(_rules())
    for part in (source, *(text.encode() for text in of)):
        content.update(len(part).to_bytes(8, "big") + part)
    return content.hexdigest()


def _on_a_packages_path(name: str) -> Path | None:
    """Return the file of a module that lies in another folder of a loaded package's path, as a product may."""
    parts = name.split(".")
    for size in range(len(parts) - 1, 0, -1):
        for folder in getattr(sys.modules.get(".".join(parts[:size])), "__path__", ()):
            place = Path(folder).joinpath(*parts[size:])
            for file in (place / "__init__.py", place.with_name(f"{place.name}.py")):
                if file.is_file():
                    return file
    return None
