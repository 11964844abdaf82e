"""Doctor: does the online store take a commit and give it back, and will it keep what it took?"""

from collections.abc import Iterator
from pathlib import Path

from mlops_assets.catalogue import product_names
from mlops_assets.commands.doctor.check import Check
from mlops_assets.commands.doctor.connections import AREA, PROBE_PRODUCT, nearest_folder, not_made
from mlops_assets.core.masking import masked
from mlops_assets.core.online_store.embedded.check import examine
from mlops_assets.core.online_store.embedded.checkpoint import owner_of
from mlops_assets.core.online_store.embedded.files import StoreFiles
from mlops_assets.core.online_store.embedded.library import sqlite_version
from mlops_assets.core.online_store.embedded.log_length import is_stopped, who_owns
from mlops_assets.core.online_store.embedded.reserve import Reserve
from mlops_assets.core.online_store.opening import open_online_store, store_file
from mlops_assets.core.online_store.protocol import StateChange
from mlops_assets.core.settings import Settings

NAME = "online store"
CHECK_SECONDS = 30.0
"""For each product's store: some ten gigabytes."""
LONGEST_LOG_BYTES = 1 << 30
"""Four times the length at which commits bring the log in themselves."""


def online_store_checks(settings: Settings) -> Iterator[Check]:
    """Commit a state and a record to a store of its own, read them back and remove it; of Redis look at its settings.

    Raises: OnlineStoreError when it does not answer; ConfigurationError for a location that is none.
    """
    location = settings.online_store
    if "://" not in location and nearest_folder(_folder(location)) != _folder(location):
        yield Check(AREA, NAME, "ok", not_made(_folder(location)))
        return
    store = open_online_store(location, PROBE_PRODUCT)
    try:
        (before,) = store.read(["probe"])
        is_committed = store.commit([StateChange("probe", before.version, b"state")], [b"record"])
        is_same = store.read(["probe"])[0].content == b"state" and store.captured()[-1].content == b"record"
    finally:
        store.close()
        _remove(location)
    if is_committed and is_same:
        yield Check(AREA, NAME, "ok", f"a probe was committed to {masked(location)}, read back and removed")
    else:
        action = "look at what else writes there; a Redis must be asked at its primary"
        yield Check(
            AREA, NAME, "failed", f"{masked(location)} gave something else back than was written", action
        )
    if "://" in location:
        yield from _redis_checks(location)
    else:
        detail = f"the store runs on SQLite {sqlite_version()}, without the WAL-reset fault"
        yield Check(AREA, "online store's SQLite", "ok", detail)
        yield from _file_checks(location)


def _file_checks(location: str) -> Iterator[Check]:
    """Look for damage in every product's store that is there."""
    for product in product_names():
        file = store_file(location, product)
        if file is not None and file.exists():
            yield _file_check(product, file)


def _file_check(product: str, file: Path) -> Check:
    name, files = f"{product}'s online store", StoreFiles(file)
    restore = f"run `mlops store restore {product}`; services go on by themselves then"
    if (noted := files.damage()) is not None:
        return Check(
            AREA, name, "failed", f"{file} is damaged, and everybody refuses it: {noted.found}", restore
        )
    found = examine(file, seconds=CHECK_SECONDS)
    if found.damage is not None:
        return Check(AREA, name, "failed", f"{file} is damaged: {found.damage}", restore)
    if not found.is_complete:
        detail = f"{file} was not read whole within {CHECK_SECONDS:.0f} s; nothing was found in what was read"
        return Check(
            AREA, name, "warning", detail, f"run `mlops store restore {product}`, which takes its time"
        )
    log, owner = files.log.stat().st_size if files.log.exists() else 0, owner_of(files.owner)
    if log > LONGEST_LOG_BYTES or (owner is not None and is_stopped(owner)):
        detail = f"{file} is sound, and its log has {log / 2**20:,.0f} MiB: {who_owns(files)}"
        return Check(
            AREA, name, "warning", detail, "look for a process that hangs, or reads for long; end it"
        )
    if Reserve(files).is_spent:
        detail = f"{file} is sound, and takes nothing: its disk is full, and its reserve is given back"
        return Check(
            AREA, name, "failed", detail, "free space on its disk; services go on by themselves then"
        )
    return Check(AREA, name, "ok", f"every page of {file} was read, and is sound")


def _folder(location: str) -> Path:
    return Path(location).expanduser().absolute()


def _redis_checks(url: str) -> Iterator[Check]:
    import redis

    with redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5) as client:
        policy = client.info("memory").get("maxmemory_policy", "unknown")
        has_log = bool(client.info("persistence").get("aof_enabled", 0))
    if policy not in ("noeviction", "unknown"):
        action = (
            "set maxmemory-policy noeviction: an evicted state looks like an entity that never had an event"
        )
        yield Check(AREA, "Redis eviction", "failed", f"maxmemory-policy is {policy}", action)
    if not has_log:
        action = (
            "set appendonly yes; without it, predictions that were not collected are lost when Redis restarts"
        )
        yield Check(AREA, "Redis durability", "warning", "appendonly is off", action)


def _remove(location: str) -> None:
    if "://" not in location:
        for file in Path(location).expanduser().glob(f"{PROBE_PRODUCT}.sqlite*"):
            file.unlink()
        return
    import redis

    with redis.Redis.from_url(location, socket_timeout=5, socket_connect_timeout=5) as client:
        names = [f"{{mlops:{PROBE_PRODUCT}}}:{name}" for name in ("states", "versions", "captured", "store")]
        try:
            client.unlink(*names)
        except redis.RedisError:
            return  # it did not answer, which the check itself says better
