"""What is installed here, and what requires what: distributions, their versions and their requirements in turn."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mlops_assets.core.errors import IdentityError

OTHER_NAMES = {"sklearn": "scikit-learn", "yaml": "pyyaml"}
"""Distributions that are not called like their module; others are looked up, which takes half a second."""


@dataclass(frozen=True)
class Need:
    """A requirement that applies here, and what is installed for it."""

    by: str
    """Who requires it; empty for what was asked for."""
    requirement: Requirement
    installed: str | None
    """Version; None when it is not installed."""

    @property
    def name(self) -> str:
        """Canonical name of what is required."""
        return canonicalize_name(self.requirement.name)

    @property
    def is_met(self) -> bool:
        """Whether a version that is allowed is installed."""
        return self.installed is not None and self.requirement.specifier.contains(
            self.installed, prereleases=True
        )


def needs_of(names: Iterable[str]) -> Iterator[Need]:
    """Yield `names` (with extras, as in `redis[hiredis]`), all that they require here, and so on in turn.

    A requirement that another platform or Python would add does not apply here. What is not installed leads no further.
    """
    seen: set[tuple[str, str]] = set()
    waiting = [
        Need("", requirement, installed_version(requirement.name)) for requirement in map(Requirement, names)
    ]
    while waiting:
        need = waiting.pop()
        yield need
        extras = {("", need.name), *((extra, need.name) for extra in need.requirement.extras)} - seen
        if need.installed is None or not extras:
            continue
        seen |= extras
        for requirement in map(Requirement, distribution(need.name).requires or ()):
            if any(applies(requirement, extra=extra) for extra, _ in extras):
                waiting.append(Need(need.name, requirement, installed_version(requirement.name)))


def applies(requirement: Requirement, *, extra: str = "") -> bool:
    """Whether the requirement's marker holds here, asked for with `extra`."""
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def installed_version(name: str) -> str | None:
    """Return the version of a distribution; None when it is not installed."""
    try:
        return distribution(name).version
    except PackageNotFoundError:
        return None


@cache
def distribution_of(library: str) -> str:
    """Return the canonical name of the distribution that brings the top-level module `library`.

    It is the one of the same name where there is one, else the first by name of those that bring it.
    Raises: IdentityError when none does.
    """
    name = canonicalize_name(OTHER_NAMES.get(library, library))
    if installed_version(name) is not None:
        return name
    found = sorted(canonicalize_name(name) for name in packages_distributions().get(library, ()))
    if not found:
        raise IdentityError(
            f"{library} is imported, but no installed distribution brings it: run `make setup`"
        )
    return found[0]
