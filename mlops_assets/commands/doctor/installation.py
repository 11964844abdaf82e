"""Doctor: is this Python the right one, and is everything installed that the project asks for?"""

import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from mlops_assets.commands.doctor.check import Check
from mlops_assets.core.identity.installed import Need, applies, installed_version, needs_of

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
    needs = [need for need in needs_of([project]) if need.by]
    broken = {(need.by, need.name): _complaint(need) for need in needs if not need.is_met}
    direct = {key: text for key, text in broken.items() if key[0] == canonicalize_name(project)}
    others = {key: text for key, text in broken.items() if key not in direct}
    own_names = {need.name for need in needs if need.by == canonicalize_name(project)}
    yield _verdict("required packages", direct, ok=f"{len(own_names)} installed as required")
    yield _verdict("their requirements", others, ok="all met")


def lock_check(lock: str) -> Check:
    """Compare what is installed with the lock file; another version works perhaps, but was never tested together."""
    lines = [line.removesuffix("\\").strip() for line in lock.splitlines() if line[:1].isalnum()]
    locked = [Requirement(line) for line in lines]
    different = []
    for requirement in locked:
        if not applies(requirement):
            continue
        found = installed_version(requirement.name)
        if found is not None and not requirement.specifier.contains(found, prereleases=True):
            different.append(f"{requirement.name} is {found}, not {requirement.specifier}")
    if not different:
        return Check(AREA, "lock file", "ok", f"installed are the versions of {LOCK.name}")
    return Check(AREA, "lock file", "warning", "; ".join(different), REINSTALL)


def _verdict(name: str, broken: Mapping[tuple[str, str], str], *, ok: str) -> Check:
    if not broken:
        return Check(AREA, name, "ok", ok)
    return Check(AREA, name, "failed", "; ".join(sorted(broken.values())), REINSTALL)


def _complaint(need: Need) -> str:
    if need.installed is None:
        return f"{need.by} needs {need.requirement}, which is not installed"
    return f"{need.by} needs {need.requirement}, but {need.installed} is installed"
