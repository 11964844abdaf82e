"""Doctor: is this Python the right one, and is everything installed that the project asks for?"""

import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from mlops_assets.commands.doctor.check import Check

AREA = "installation"
PROJECT = "mlops-assets"
LOCK = Path(__file__).parents[3] / "deploy" / "requirements.lock"
REINSTALL = "install the pinned versions again: make setup"


def installation_checks() -> Iterator[Check]:
    """Check Python, the project's own requirements, theirs in turn, and the lock file if this is a clone."""
    yield python_check(platform.python_version(), distribution(PROJECT).metadata["Requires-Python"] or "")
    yield from requirement_checks(PROJECT)
    if LOCK.is_file():
        yield lock_check(LOCK.read_text(encoding="utf-8"))


def python_check(version: str, required: str) -> Check:
    """Compare Python's version with what the project requires."""
    if SpecifierSet(required).contains(version, prereleases=True):
        return Check(AREA, "Python", "ok", f"{version} meets {required}")
    action = f"make the environment with a Python that meets {required}"
    return Check(AREA, "Python", "failed", f"{version} does not meet {required}", action)


def requirement_checks(project: str) -> Iterator[Check]:
    """Check that what `project` requires is installed in a version that it allows, and what that requires in turn."""
    own = [Requirement(text) for text in distribution(project).requires or ()]
    needed = [requirement for requirement in own if _applies(requirement, extra="")]
    broken = _broken_requirements(project)
    own_names = {canonicalize_name(requirement.name) for requirement in needed}
    direct = {key: text for key, text in broken.items() if key[0] == canonicalize_name(project)}
    others = {key: text for key, text in broken.items() if key not in direct}
    yield _verdict("required packages", direct, ok=f"{len(own_names)} installed as required")
    yield _verdict("their requirements", others, ok="all met")


def lock_check(lock: str) -> Check:
    """Compare what is installed with the lock file; another version works perhaps, but was never tested together."""
    lines = [line.removesuffix("\\").strip() for line in lock.splitlines() if line[:1].isalnum()]
    locked = [Requirement(line) for line in lines]
    different = []
    for requirement in locked:
        if not _applies(requirement, extra=""):
            continue
        found = _installed(requirement.name)
        if found is not None and not requirement.specifier.contains(found, prereleases=True):
            different.append(f"{requirement.name} is {found}, not {requirement.specifier}")
    if not different:
        return Check(AREA, "lock file", "ok", f"installed are the versions of {LOCK.name}")
    return Check(AREA, "lock file", "warning", "; ".join(different), REINSTALL)


def _verdict(name: str, broken: Mapping[tuple[str, str], str], *, ok: str) -> Check:
    if not broken:
        return Check(AREA, name, "ok", ok)
    return Check(AREA, name, "failed", "; ".join(sorted(broken.values())), REINSTALL)


def _broken_requirements(project: str) -> dict[tuple[str, str], str]:
    """What is missing or not allowed, by (who requires it, what), over everything that `project` leads to."""
    broken: dict[tuple[str, str], str] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(canonicalize_name(project), "")]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for requirement in map(Requirement, distribution(name).requires or ()):
            if not _applies(requirement, extra=extra):
                continue
            wanted, found = canonicalize_name(requirement.name), _installed(requirement.name)
            if found is None:
                broken[name, wanted] = f"{name} needs {requirement}, which is not installed"
                continue
            if not requirement.specifier.contains(found, prereleases=True):
                broken[name, wanted] = f"{name} needs {requirement}, but {found} is installed"
            waiting.extend((wanted, needed) for needed in ("", *requirement.extras))
    return broken


def _applies(requirement: Requirement, *, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _installed(name: str) -> str | None:
    try:
        return distribution(name).version
    except PackageNotFoundError:
        return None
