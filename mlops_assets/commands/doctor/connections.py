"""Doctor: can everything that is stored be reached, really written and read back?"""

import os
import shutil
import socket
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import polars as pl

from mlops_assets.commands.doctor.check import Check
from mlops_assets.commands.gc_table import readable_size
from mlops_assets.core.errors import ConfigurationError
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import CommitInfo
from mlops_assets.core.registry.kept import require_kept
from mlops_assets.core.registry.mlflow_client import mlflow_client
from mlops_assets.core.registry.tracking_location import sqlite_file
from mlops_assets.core.settings import Settings

AREA = "connections"
CONNECT_SECONDS = 5
SCARCE_BYTES = 2 * 1024**3
"""A run of `mlops demo` leaves about 0.6 GiB, and builds need room beside it."""
EXHAUSTED_BYTES = 100 * 1024**2
PROBE_PRODUCT = "doctor_probe"
# An object store is asked for three minutes by default before an error is shown.
_IMPATIENT = {"max_retries": "1", "retry_timeout": "10s", "connect_timeout": "5s", "timeout": "10s"}
_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}
_SQLITE_HEADER = b"SQLite format 3\x00"
"""See https://www.sqlite.org/fileformat.html, section 1.3."""


def home_checks(settings: Settings) -> Iterator[Check]:
    """Write a file into MLOPS_HOME and remove it, or see that the folder can be made; look at the free space."""
    above = nearest_folder(settings.home)
    with tempfile.NamedTemporaryFile(dir=above, prefix=".doctor-") as probe:
        probe.write(b"probe")
    told = f"{settings.home} can be written" if above == settings.home else not_made(settings.home)
    yield Check(AREA, "MLOPS_HOME", "ok", told)
    yield disk_check(shutil.disk_usage(above).free, where=above)


def nearest_folder(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists: where it would be made.

    Raises: NotADirectoryError when a file is in the way.
    """
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file, where a folder is needed")
    return folder


def not_made(place: Path) -> str:
    """Say that something is not there yet, which is no fault: the doctor makes nothing."""
    return f"{place} is not there yet; the first run makes it"


def disk_check(free_bytes: int, *, where: Path) -> Check:
    """Judge the free space of the file system that holds `where`."""
    detail = f"{readable_size(free_bytes)} free below {where}"
    action = "free some space: `mlops gc` shows what is no longer needed; or move MLOPS_HOME"
    if free_bytes < EXHAUSTED_BYTES:
        return Check(AREA, "disk space", "failed", detail, action)
    if free_bytes < SCARCE_BYTES:
        return Check(AREA, "disk space", "warning", detail, action)
    return Check(AREA, "disk space", "ok", detail)


def table_checks(settings: Settings) -> Iterator[Check]:
    """Write a small Delta table below the tables' root, read it back and remove it; a folder is not made for it."""
    if "://" not in settings.tables_uri and nearest_folder(Path(settings.tables_uri)) != Path(
        settings.tables_uri
    ):
        yield Check(AREA, "tables", "ok", not_made(Path(settings.tables_uri)))
        return
    tables = DeltaTables(settings.tables_uri, _IMPATIENT if "://" in settings.tables_uri else None)
    table = f"probe_{uuid.uuid4().hex}"
    rows = pl.DataFrame({"number": [1, 2, 3]})
    try:
        commit = CommitInfo(run_id="mlops doctor")
        tables.write(PROBE_PRODUCT, table, rows, days=None, commit=commit)
        is_same = tables.read(PROBE_PRODUCT, table).sort("number").equals(rows)
    finally:
        _remove(tables, table)
    if is_same:
        yield Check(
            AREA, "tables", "ok", f"a probe was written to {settings.tables_uri}, read back and removed"
        )
        return
    action = "look at what else writes there, and at the store's consistency"
    yield Check(
        AREA, "tables", "failed", f"{settings.tables_uri} gave other rows back than were written", action
    )


def tracking_checks(settings: Settings) -> Iterator[Check]:
    """Ask the tracking server and the registry for something small; a first database is not made.

    Raises: RegistryGoneError when the database was there and is not any more. OSError soon when nothing answers at the
    address, where MLflow by itself would try for minutes.
    """
    uri = settings.tracking_uri
    require_kept(uri)
    file = sqlite_file(uri)
    if file is not None and not file.exists():
        nearest_folder(file.parent)
        yield Check(AREA, "MLflow tracking", "ok", not_made(file))
        return
    _require_answer(uri)
    with _environment({"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}):
        client = mlflow_client(uri)
        experiments = len(client.search_experiments())
        yield Check(AREA, "MLflow tracking", "ok", f"{uri} has {experiments} experiments")
        models = len(client.search_registered_models())
        yield Check(AREA, "MLflow registry", "ok", f"{uri} has {models} registered models")


def _require_answer(uri: str) -> None:
    parts = urlsplit(uri)
    scheme = parts.scheme.split("+")[0]
    if scheme == "sqlite":
        file = Path(uri.split("///", maxsplit=1)[-1])
        if file.exists() and not os.access(file, os.W_OK):
            raise PermissionError(f"{file} cannot be written")
        if file.is_file() and file.stat().st_size and not _is_sqlite(file):
            raise ConfigurationError(f"{file} is not a database of SQLite")
    elif parts.hostname:
        address = (parts.hostname, parts.port or _PORTS.get(scheme, 0))
        try:
            socket.create_connection(address, timeout=CONNECT_SECONDS).close()
        except OSError as error:
            raise ConfigurationError(f"nothing answers at {address[0]}:{address[1]}: {error}") from error


def _is_sqlite(file: Path) -> bool:
    """Whether the file begins as a database does; MLflow tries for minutes to open another one."""
    with file.open("rb") as opened:
        return opened.read(len(_SQLITE_HEADER)) == _SQLITE_HEADER


def _remove(tables: DeltaTables, table: str) -> None:
    """Remove the probe; an object store has no empty folders that would be left."""
    from deltalake.exceptions import TableNotFoundError
    from deltalake.fs import DeltaStorageHandler

    if "://" not in tables.root:
        folder = Path(tables.root) / PROBE_PRODUCT
        shutil.rmtree(folder / table, ignore_errors=True)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        return
    try:
        store = DeltaStorageHandler(tables.uri(PROBE_PRODUCT, table), dict(tables.storage_options or {}))
        store.delete_dir("")
    except TableNotFoundError:
        return  # nothing was written


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
