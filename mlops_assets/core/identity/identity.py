"""The identity of a result: what code, which libraries, declarations and inputs it was made from, by content."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property

from mlops_assets.core.identity.closure import SHORT


@dataclass(frozen=True)
class Identity:
    """Equal identities make equal results; every value is a digest or a version."""

    code: str
    """Digest of the code's closure."""
    libraries: Mapping[str, str]
    """Version by distribution."""
    declared: Mapping[str, str]
    """Digest of each part of the product's declaration that was read."""
    read: Mapping[str, str]
    """Digest of each table, model or value that was read."""

    @cached_property
    def digest(self) -> str:
        """SHA-256 over everything."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @property
    def content_digest(self) -> str:
        """SHA-256 over everything but the code: what a result of other code can be compared by."""
        parts = [dict(sorted(part.items())) for part in (self.libraries, self.declared, self.read)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def to_json(self) -> str:
        """Return it as JSON; equal identities give equal texts."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def read_json(cls, text: str | None) -> "Identity | None":
        """Read what `to_json` wrote; None for anything else, as commits of other writers hold it."""
        try:
            content = json.loads(text or "")
            parts = [dict(content[name]) for name in ("libraries", "declared", "read")]
            return cls(str(content["code"]), *parts)
        except (ValueError, KeyError, TypeError):
            return None

    def differences(self, earlier: "Identity") -> list[str]:
        """Say in words what is not as it was for `earlier`; empty for equal ones."""
        told = (
            [] if self.code == earlier.code else [f"code {earlier.code[:SHORT]} is now {self.code[:SHORT]}"]
        )
        for name, version in _changed(self.libraries, earlier.libraries):
            told.append(
                f"library {name} {earlier.libraries.get(name, 'not used')} is now {version or 'not used'}"
            )
        told += [f"the declaration's {name}" for name, _ in _changed(self.declared, earlier.declared)]
        told += [name for name, _ in _changed(self.read, earlier.read)]
        return told


def _changed(now: Mapping[str, str], before: Mapping[str, str]) -> list[tuple[str, str | None]]:
    names = sorted({*now, *before})
    return [(name, now.get(name)) for name in names if now.get(name) != before.get(name)]
