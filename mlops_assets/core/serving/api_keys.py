"""Who may ask a service: a file of API keys that holds no key, only what recognizes one.

A key has 256 random bits, which nobody guesses, so that one round of HMAC-SHA-256 under a salt of its own keeps it:
slow hashes are for passwords, which people choose. Whoever reads the file cannot ask the service with it.
"""

import base64
import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from mlops_assets.core.errors import ConfigurationError
from mlops_assets.core.files import replace_text
from mlops_assets.core.formats import other_format
from mlops_assets.core.free_text import require_plain

FORMAT_VERSION = 1
SECRET_BYTES, SALT_BYTES = 32, 16
MAXIMUM_NAME = 100
_PREFIX = "mlops"
_ID_DIGITS = 8


@dataclass(frozen=True)
class ApiKey:
    """One key, as the file has it."""

    name: str
    """Whose it is; unique among the keys that are not revoked."""
    key_id: str
    """The part of the key that finds its row; no secret."""
    salt: str
    digest: str
    """HMAC-SHA-256 of the key under the salt, both in hexadecimal digits."""
    created_at: datetime
    revoked_at: datetime | None = None
    """None while it opens."""


@dataclass(frozen=True)
class ApiKeys:
    """All keys of a file; a value that is never changed."""

    keys: tuple[ApiKey, ...] = ()

    @cached_property
    def _open(self) -> Mapping[str, ApiKey]:
        return {row.key_id: row for row in self.keys if row.revoked_at is None}

    def holder(self, key: str) -> str | None:
        """Return whose key it is; None when it is unknown or revoked. The time that it takes tells nothing of a key."""
        key_id = key.removeprefix(f"{_PREFIX}_")[:_ID_DIGITS]
        row = self._open.get(key_id, _NOBODY)
        is_it = hmac.compare_digest(_digest(key, bytes.fromhex(row.salt)), row.digest)
        return row.name if is_it and row is not _NOBODY else None

    def with_new(self, name: str, *, secret: bytes, salt: bytes, now: datetime) -> tuple["ApiKeys", str]:
        """Return the keys with one more, and that key, which is stored nowhere.

        name: whose it is. secret, salt: random bytes, SECRET_BYTES and SALT_BYTES of them. now: when it is created.

        Raises: ConfigurationError when the name is no plain text, or a key that is not revoked has it.
        """
        name = require_plain(name, what="the name of a key", maximum=MAXIMUM_NAME)
        if not name:
            raise ConfigurationError("a key needs a name: that of the client that will use it")
        if any(row.name == name for row in self._open.values()):
            raise ConfigurationError(
                f"there is a key {name} already: revoke it, or give the new one another name"
            )
        key_id = salt.hex()[:_ID_DIGITS]
        key = f"{_PREFIX}_{key_id}_{base64.urlsafe_b64encode(secret).decode().rstrip('=')}"
        if key_id in self._open:
            raise ConfigurationError("the random bytes are those of another key: create it again")
        row = ApiKey(name, key_id, salt.hex(), _digest(key, salt), now)
        return ApiKeys((*self.keys, row)), key

    def without(self, name: str, *, now: datetime) -> "ApiKeys":
        """Return the keys with the one of that name revoked.

        Raises: ConfigurationError when there is none that opens.
        """
        if all(row.name != name for row in self._open.values()):
            raise ConfigurationError(f"there is no key {name} that is not revoked")
        return ApiKeys(
            tuple(
                replace(row, revoked_at=now) if row.name == name and row.revoked_at is None else row
                for row in self.keys
            )
        )

    def write(self, file: Path) -> None:
        """Replace the file in one step; only its owner may read it."""
        rows = [
            {
                **asdict(row),
                "created_at": row.created_at.isoformat(),
                "revoked_at": row.revoked_at and row.revoked_at.isoformat(),
            }
            for row in self.keys
        ]
        content = {"format_version": FORMAT_VERSION, "keys": rows}
        replace_text(
            file, json.dumps(content, sort_keys=True, indent=2) + "\n", is_durable=True, is_private=True
        )

    @classmethod
    def read(cls, file: Path) -> "ApiKeys":
        """Read what `write` wrote.

        Raises: ConfigurationError when it is missing, damaged or of another format.
        """
        try:
            content = json.loads(file.read_bytes())
            if (found := content["format_version"]) != FORMAT_VERSION:
                remedy = "use the version of mlops-assets that wrote it"
                raise ConfigurationError(
                    other_format(str(file), found, readable=FORMAT_VERSION, remedy=remedy)
                )
            return cls(tuple(_row(row) for row in content["keys"]))
        except FileNotFoundError as error:
            raise ConfigurationError(
                f"there is no file of API keys at {file}: make one with `mlops keys create NAME`"
            ) from error
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ConfigurationError(
                f"{file} cannot be read as a file of API keys: {type(error).__name__}"
            ) from error


def _row(content: dict[str, str]) -> ApiKey:
    revoked = content["revoked_at"]
    row = ApiKey(
        **{
            **content,
            "created_at": datetime.fromisoformat(content["created_at"]),
            "revoked_at": datetime.fromisoformat(revoked) if revoked else None,
        }
    )
    bytes.fromhex(row.salt)
    return row


def _digest(key: str, salt: bytes) -> str:
    return hmac.digest(salt, key.encode("utf-8", "surrogatepass"), "sha256").hex()


_NOBODY = ApiKey("", "", "00" * SALT_BYTES, "00" * 32, datetime.fromtimestamp(0, UTC))
"""What a key without a row is compared with, so that it takes as long."""
