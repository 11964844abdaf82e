"""Notices that a registry in a SQLite file is gone, so that nothing makes an empty one in its place.

A file beside the database says that there was one; in a home of before that file, the tables of versions say it.
"""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from mlops_assets.core.errors import RegistryGoneError
from mlops_assets.core.registry.tracking_location import sqlite_file

SUFFIX = ".made"
_TOLD = "The registry beside this file was made. Should it be gone, the platform says so and makes no empty one.\n"
_TABLES_OF_VERSIONS = "tables/*/model_version"
"""In a home as it is by default, where the registry lies beside the tables."""


def require_kept(tracking_uri: str) -> None:
    """Return when the registry is there, or when there never was one; a server is not asked.

    Raises: RegistryGoneError when there was a registry at this address, and its file is gone, empty or damaged.
    """
    file = sqlite_file(tracking_uri)
    if file is None or (problem := _problem(file)) is None or not _was_made(file):
        return
    raise RegistryGoneError(
        f"the registry is gone: {file} {problem}. Restore the file from a backup; what was released stands in the "
        "lakehouse, and services go on with it. To begin anew without its versions, set MLOPS_HOME to another folder, "
        "or MLFLOW_TRACKING_URI to another registry"
    )


def note_made(tracking_uri: str) -> None:
    """Write down beside a registry in a SQLite file that there is one."""
    file = sqlite_file(tracking_uri)
    if file is None or (note := _note(file)).exists() or _problem(file) is not None:
        return
    with suppress(OSError):  # a registry that may only be read needs no note
        note.write_text(_TOLD, encoding="utf-8")


def _problem(file: Path) -> str | None:
    """Say why the file is no registry; None when it is one, or is in use so that nobody can tell."""
    if not file.is_file():
        return "does not exist"
    if file.stat().st_size == 0:
        return "is empty"
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            found = connection.execute(
                "SELECT 1 FROM sqlite_master WHERE name = 'registered_models'"
            ).fetchone()
    except sqlite3.OperationalError:
        return None
    except sqlite3.DatabaseError as error:
        return f"is damaged ({error})"
    return None if found else "holds no registry"


def _was_made(file: Path) -> bool:
    return _note(file).exists() or next(file.parent.glob(_TABLES_OF_VERSIONS), None) is not None


def _note(file: Path) -> Path:
    return file.with_name(f"{file.name}{SUFFIX}")
