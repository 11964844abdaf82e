"""Everything that a bento's sources need, pinned to what is installed here."""

from collections.abc import Iterable

from mlops_assets.core.errors import PackagingError
from mlops_assets.core.identity.installed import distribution_of, needs_of
from mlops_assets.core.model.libraries import SCORING_LIBRARIES

BROUGHT_BY = {"mlflow": "mlflow-skinny"}
"""Smaller distribution that brings what the sources import: a bento reads the registry and logs nothing."""
NOT_IMPORTED = ("hiredis", "httptools", "uvloop")
"""What Redis' client and the server use when it is installed: no answer depends on it, its time does."""


def requirements_of(libraries: Iterable[str]) -> tuple[str, ...]:
    """Return the distributions that sources need which import `libraries`, sorted; with those that scores depend on.

    Raises: IdentityError for a library that no installed distribution brings.
    """
    imported = {BROUGHT_BY.get(name) or distribution_of(name) for name in libraries}
    return tuple(sorted({*imported, *SCORING_LIBRARIES, *NOT_IMPORTED}))


def pinned_requirements(names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return the installed name and version of `names` and of all that they require here, sorted by name.

    A requirement that another platform or Python would add is left to the installer there.

    Raises: PackagingError when one of them is not installed.
    """
    found: dict[str, str] = {}
    for need in needs_of(names):
        if need.installed is None:
            raise PackagingError(
                f"a bento needs {need.name}, which is not installed: run `make setup`, or pip install it"
            )
        found[need.name] = need.installed
    return tuple(sorted(found.items()))
