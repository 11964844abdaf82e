"""Doctor: who may read what is stored here, and ask what is served from here."""

import stat
from collections.abc import Iterator
from pathlib import Path

from mlops_assets.commands.doctor.check import Check
from mlops_assets.core.files import OTHERS
from mlops_assets.core.folders import is_local
from mlops_assets.core.serving.api_keys import ApiKeys
from mlops_assets.core.settings import Settings

AREA = "access"


def folder_checks(settings: Settings) -> Iterator[Check]:
    """Look at the mode of each root of what is stored: a folder that is closed to others closes all below it."""
    for name, folder in _roots(settings).items():
        if not folder.is_dir():
            continue
        mode = stat.S_IMODE(folder.stat().st_mode)
        told = f"{folder} has mode {mode:04o}"
        if mode & OTHERS:
            action = f"close it: chmod -R go-rwx {folder}"
            yield Check(AREA, f"{name}: mode", "warning", f"{told}, so that other users may read it", action)
        else:
            yield Check(AREA, f"{name}: mode", "ok", f"{told}: its owner's alone")


def key_checks(settings: Settings) -> Iterator[Check]:
    """Read the file of API keys as a service does.

    Raises: ConfigurationError when it cannot be read.
    """
    file = settings.api_keys
    if file is None:
        action = (
            "to let other machines in, make a key first: set MLOPS_API_KEYS, then `mlops keys create NAME`"
        )
        told = "services ask for none: whoever reaches one may ask it; they listen on 127.0.0.1 unless told otherwise"
        yield Check(AREA, "API keys", "ok", told, action)
        return
    opening = sum(row.revoked_at is None for row in ApiKeys.read(file).keys)
    if file.stat().st_mode & OTHERS:
        yield Check(
            AREA, "API keys", "warning", f"{file} may be read by others", f"close it: chmod 600 {file}"
        )
    elif not opening:
        yield Check(
            AREA,
            "API keys",
            "warning",
            f"no key of {file} opens: services let nobody in",
            "`mlops keys create NAME`",
        )
    else:
        yield Check(AREA, "API keys", "ok", f"{opening} of {file} open")


def _roots(settings: Settings) -> dict[str, Path]:
    """The home, and what was put elsewhere."""
    stores = {
        "MLOPS_TABLES_URI": settings.tables_uri,
        "MLOPS_ONLINE_STORE": settings.online_store,
        "MLOPS_SERVING_HOME": str(settings.serving_home),
        "MLOPS_CACHE": str(settings.cache),
    }
    local = {name: Path(where).expanduser() for name, where in stores.items() if is_local(where)}
    elsewhere = {name: folder for name, folder in local.items() if not folder.is_relative_to(settings.home)}
    return {"MLOPS_HOME": settings.home, **elsewhere}
