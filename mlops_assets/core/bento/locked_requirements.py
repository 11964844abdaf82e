"""A bento's requirements with the hashes of their archives, as pip and uv take them in hash-checking mode.

An installed distribution does not say of which archive it came, so the hashes come from the lock file of a clone.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

LOCK = Path(__file__).parents[3] / "deploy" / "requirements.lock"
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;\\]+)")
_HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})")
Hashes = Mapping[tuple[str, str], tuple[str, ...]]


def locked_hashes(lock: Path = LOCK) -> Hashes:
    """Return the hashes of every archive that the lock file allows, by canonical name and version.

    Without a lock file, as where the platform is installed from a wheel, nothing is known.
    """
    if not lock.is_file():
        return {}
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    pin = ("", "")
    for line in lock.read_text(encoding="utf-8").splitlines():
        if named := _PIN.match(line):
            pin = (re.sub(r"[-_.]+", "-", named[1]).lower(), named[2])
        if hashes := _HASH.findall(line):
            found[pin] = (*found.get(pin, ()), *hashes)
    return found


def unlocked(pinned: Sequence[tuple[str, str]], hashes: Hashes) -> list[str]:
    """Return the pinned requirements of which no hash is known."""
    return [f"{name}=={version}" for name, version in pinned if not hashes.get((name, version))]


def locked_text(pinned: Sequence[tuple[str, str]], hashes: Hashes) -> str:
    """Return a requirements file that takes exactly these versions, and of each only archives of a known hash.

    Raises: KeyError when no hash of one is known, see `unlocked`.
    """
    blocks = [
        " \\\n    ".join([f"{name}=={version}", *(f"--hash={one}" for one in hashes[name, version])])
        for name, version in pinned
    ]
    return "\n".join(blocks) + "\n"
