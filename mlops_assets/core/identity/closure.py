"""The import closure of a piece of code: every module of our packages that it can reach, and the libraries."""

import hashlib
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from mlops_assets.core.identity.code_base import CodeBase, is_within, with_packages
from mlops_assets.core.identity.syntax import CodeFacts

SHORT = 12
"""Digits of a digest that people are shown."""


@dataclass(frozen=True)
class Closure:
    """What a piece of code is made of; equal digests mean that it does the same with the same libraries."""

    modules: Mapping[str, str]
    """Digest of each module of our packages, by name, sorted."""
    parts: tuple[str, ...]
    """Digests of single functions that it starts from."""
    files: Mapping[Path, str]
    """Digest of each file beside a module that the module names, whatever its format, sorted."""
    libraries: tuple[str, ...]
    """Top-level names of what is imported and neither ours nor Python's own, sorted."""
    attributes: Mapping[str, frozenset[str]] = field(repr=False)
    """Names of the attributes that each module reads; under the empty name those of the parts."""

    @cached_property
    def digest(self) -> str:
        """SHA-256 over modules, parts and files; where they are installed does not count."""
        named = [f"{name} {digest}" for name, digest in self.modules.items()]
        files = sorted(f"{file.name} {digest}" for file, digest in self.files.items())
        return hashlib.sha256("\n".join([*self.parts, *named, *files]).encode()).hexdigest()

    def reads(self, attribute: str, *, besides: tuple[str, ...]) -> bool:
        """Whether any code in it reads an attribute of that name, other than the modules `besides`."""
        return any(attribute in names for module, names in self.attributes.items() if module not in besides)

    @property
    def short_digest(self) -> str:
        """The digest's first digits."""
        return self.digest[:SHORT]


def closure_of(
    code: CodeBase,
    *,
    modules: Iterable[str] = (),
    functions: Iterable[tuple[str, str]] = (),
    left_out: tuple[str, ...] = (),
) -> Closure:
    """Follow imports from `modules`, and from `functions` (module and qualified name), through our packages.

    - Imports count wherever they stand, in functions too, but not those for type checkers. With a module count the
      packages around it, whose `__init__` runs first.
    - A text that is exactly a module's name counts as its import: processes are started so. Modules whose names are put
      together when the code runs are for the caller to name.
    - A text that is exactly the name of a file in a module's own folder counts as that file's content.
    - Packages and modules `left_out` are not followed, nor what only they import.
    Raises: IdentityError for a root that does not exist, or a module that is no Python.
    """
    started = [code.function(module, name, left_out=left_out) for module, name in functions]
    found: dict[str, CodeFacts] = {}
    waiting = [name for root in modules for name in with_packages(root)]
    waiting += [name for facts in started for name in code.imported_by(facts)]
    while waiting:
        name = waiting.pop()
        if name not in found and not is_within(name, left_out):
            found[name] = code.module(name)
            waiting += code.imported_by(found[name])
    code.facts_cache.save()
    files = {file: digest for name in found for file, digest in code.files(name).items()}
    everything = {name: found[name] for name in sorted(found)}
    return Closure(
        modules={name: facts.digest for name, facts in everything.items()},
        parts=tuple(facts.digest for facts in started),
        files=dict(sorted(files.items())),
        libraries=_libraries(code, [*started, *found.values()]),
        attributes={
            **{name: frozenset(facts.attributes) for name, facts in everything.items()},
            "": frozenset(name for facts in started for name in facts.attributes),
        },
    )


def _libraries(code: CodeBase, everything: Iterable[CodeFacts]) -> tuple[str, ...]:
    names = {
        name.split(".", 1)[0] for facts in everything for name in facts.imports if not code.owns(name)
    } - {"__future__"}
    return tuple(sorted(names - sys.stdlib_module_names))
