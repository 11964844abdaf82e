"""The door to MLflow: a client for one tracking URI, quiet and without telemetry."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.masking import masked
from mlops_assets.core.registry.kept import note_made, require_kept

if TYPE_CHECKING:
    from mlflow import MlflowClient

_SWITCHES = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}
# MLflow repeats a request for four minutes, which suits a training that would lose its run. Who only asks the registry,
# at a prompt or twice a second, wants to hear within seconds that it is away.
_IMPATIENCE = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}
# MLflow exports its global state under these names to child processes, and the platform's settings read the
# first.
_EXPORTED = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_ID", "MLFLOW_RUN_ID")


def quiet_mlflow() -> None:
    """Turn off MLflow's telemetry and its start-up messages; must run before the first import of MLflow.

    A switch that the environment already sets is left alone.
    """
    for name, value in _SWITCHES.items():
        os.environ.setdefault(name, value)
    logging.getLogger("alembic").setLevel(logging.WARNING)


def give_up_soon() -> None:
    """Let this process learn within seconds that an MLflow server is away; what the environment sets is left alone."""
    for name, value in _IMPATIENCE.items():
        os.environ.setdefault(name, value)


def load_mlflow() -> None:
    """Import MLflow's client, seconds of work once per process, so that a later call waits for the server alone."""
    quiet_mlflow()
    from mlflow import MlflowClient  # noqa: F401 - importing is what it is for


def require_server(tracking_uri: str) -> None:
    """Ask an MLflow server whether it is there, without loading MLflow; any answer will do. A database is not asked.

    Raises: RegistryError when it is not there; one that hangs is waited for.
    """
    if not tracking_uri.startswith(("http://", "https://")):
        return
    import httpx

    place = httpx.URL(tracking_uri).copy_with(username="", password="")
    try:
        # Nothing secret is sent, so that whose certificate it is does not matter here.
        httpx.get(f"{str(place).rstrip('/')}/health", timeout=None, verify=False)  # noqa: S113, S501
    except httpx.TransportError as error:
        raise RegistryError(
            f"the registry at {masked(tracking_uri)} does not answer: {masked(str(error))}"
        ) from error


def mlflow_client(tracking_uri: str) -> "MlflowClient":
    """Return a client of the tracking server and registry at `tracking_uri`; MLflow sets up a first SQLite database.

    Raises: RegistryGoneError when there was one before.
    """
    require_kept(tracking_uri)
    quiet_mlflow()
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
    note_made(tracking_uri)
    return client


@contextmanager
def answering_registry(tracking_uri: str) -> Iterator[None]:
    """Say where the registry is that does not answer in the block.

    Raises: RegistryError in the place of MLflow's errors and of those of files and sockets.
    """
    quiet_mlflow()
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, OSError) as error:
        raise RegistryError(
            f"the registry at {masked(tracking_uri)} does not answer: {masked(str(error))}"
        ) from error


@contextmanager
def mlflow_globals(tracking_uri: str) -> Iterator[None]:
    """Point MLflow's module-level functions at `tracking_uri`; the environment is as before on exit.

    MLflow's functions know one URI per process; two threads with different URIs at the same time would mix
    them up.
    """
    quiet_mlflow()
    import mlflow

    before = {name: os.environ.get(name) for name in _EXPORTED}
    mlflow.set_tracking_uri(tracking_uri)
    mlflow.set_registry_uri(tracking_uri)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
