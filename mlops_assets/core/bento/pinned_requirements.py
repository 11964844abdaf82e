"""Everything that a set of libraries needs, pinned to what is installed here."""

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mlops_assets.core.errors import PackagingError


def pinned_requirements(names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return the installed name and version of `names` and of all that they require here, sorted by name.

    A requirement that another platform or Python would add is left to the installer there.

    Raises: PackagingError when one of them is not installed.
    """
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [Requirement(name) for name in names]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        extras = {("", name), *((extra, name) for extra in requirement.extras)} - seen
        if not extras:
            continue
        seen |= extras
        try:
            installed = distribution(name)
        except PackageNotFoundError as error:
            raise PackagingError(
                f"a bento needs {name}, which is not installed: run `make setup`, or pip install it"
            ) from error
        found[name] = installed.version
        needs = [Requirement(line) for line in installed.requires or ()]
        waiting += [need for need in needs if any(_is_needed(need, extra) for extra, _ in extras)]
    return tuple(sorted(found.items()))


def _is_needed(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})
