"""Makes, lists and revokes the API keys of services: what `mlops keys` does."""

import secrets
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mlops_assets.commands.plain_text import plain
from mlops_assets.core.errors import ConfigurationError
from mlops_assets.core.release.words import shown
from mlops_assets.core.serving.api_keys import SALT_BYTES, SECRET_BYTES, ApiKeys
from mlops_assets.core.settings import Settings
from mlops_assets.embedded.one_at_a_time import only_one


def create_key(settings: Settings, name: str, *, now: datetime) -> str:
    """Add a key to the file of MLOPS_API_KEYS, which is made when it is missing; return it, which is stored nowhere.

    Raises: ConfigurationError when no file is configured, it cannot be read, or the name is taken.
    """
    file = _file(settings)
    with only_one(_lock(file), what="mlops keys"):
        keys = ApiKeys.read(file) if file.exists() else ApiKeys()
        keys, key = keys.with_new(
            name, secret=secrets.token_bytes(SECRET_BYTES), salt=secrets.token_bytes(SALT_BYTES), now=now
        )
        keys.write(file)
    return key


def revoke_key(settings: Settings, name: str, *, now: datetime) -> None:
    """Revoke the key of that name; services refuse it within a second.

    Raises: ConfigurationError when no file is configured, it cannot be read, or no key that opens has the name.
    """
    file = _file(settings)
    with only_one(_lock(file), what="mlops keys"):
        ApiKeys.read(file).without(name, now=now).write(file)


def list_keys(settings: Settings) -> list[dict[str, str | None]]:
    """Return name, the part of the key that is no secret, and times of every key, the oldest first."""
    return [
        {
            "name": row.name,
            "key_id": row.key_id,
            "created_at": row.created_at.isoformat(),
            "revoked_at": row.revoked_at and row.revoked_at.isoformat(),
        }
        for row in ApiKeys.read(_file(settings)).keys
    ]


def print_keys(rows: list[dict[str, str | None]], *, console: Console) -> None:
    """Print a row per key."""
    table = Table("name", "begins with", "created", "revoked")
    for row in rows:
        revoked = row["revoked_at"]
        table.add_row(
            plain(row["name"] or ""),
            f"mlops_{row['key_id']}_",
            shown(datetime.fromisoformat(row["created_at"] or "")),
            shown(datetime.fromisoformat(revoked)) if revoked else "–",
        )
    console.print(table)


def _file(settings: Settings) -> Path:
    if settings.api_keys is None:
        raise ConfigurationError(
            "MLOPS_API_KEYS is not set: it names the file of API keys that services read"
        )
    return settings.api_keys


def _lock(file: Path) -> Path:
    return file.with_name(f".{file.name}.lock")
