"""Serves a bento on loopback in processes of its own, and ends every one of them."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx
import psutil

from mlops_assets.core.bento.build import BuiltBento, bento_environment
from mlops_assets.core.errors import PackagingError
from mlops_assets.core.runtime.guard import guarded

LOOPBACK = "127.0.0.1"
STOP_SECONDS = 10.0
_POLL_SECONDS = 0.1
_FOLDER_VARIABLE = "SERVED_BENTO_FOLDER"
"""Marks every process of one served bento with its own temporary folder."""
HOME_VARIABLE = "SERVED_BENTOML_HOME"
"""Says in every process of a served bento which stores it is served from."""
FOLLOWER_MODULE = "serving.plan_follower"
_FAILED_START = ("Application startup failed", "Traceback (most recent call last)")


@dataclass(frozen=True)
class ServedBento:
    """A bento that answers."""

    url: str
    seconds_to_ready: float
    pid: int
    """Of the process that starts the workers."""

    def workers(self) -> list[psutil.Process]:
        """Return the processes that answer requests, in no order: those below the server's own that hold its socket.

        A worker that was killed is none any more; one that is being started is one already.
        """
        port = int(self.url.rsplit(":", 1)[1])
        try:
            below = psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        return [process for process in below if _listens(process, port)]

    def followers(self) -> list[psutil.Process]:
        """Return the processes that follow the release plan and end with this server, whoever started them."""
        ends_with = ["--server", str(self.pid)]
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                command = process.cmdline()
                if FOLLOWER_MODULE in command and command[-2:] == ends_with:
                    found.append(process)
        return found


def _listens(process: psutil.Process, port: int) -> bool:
    try:
        return any(
            one.status == psutil.CONN_LISTEN and one.laddr[1] == port
            for one in process.net_connections("tcp")
        )
    except psutil.Error:  # it is gone, or about to be
        return False


@contextlib.contextmanager
def served(
    bento: BuiltBento,
    *,
    timeout_seconds: float,
    home: Path | None = None,
    workers: int = 1,
    environment: Mapping[str, str] | None = None,
    python: str = sys.executable,
    launcher: Sequence[str] = (),
) -> Iterator[ServedBento]:
    """Serve `bento` on a free loopback port while the block runs, outside the checkout and in its own process
    group.

    It sees nothing of this installation's settings: MLOPS_HOME is `home`, or a folder that goes with the block, and no
    registry is followed, unless `environment` says otherwise.

    workers: processes that answer. python: the interpreter that serves. launcher: what comes before its command.

    Raises: PackagingError with the end of the server's log when it is not ready within `timeout_seconds`, or
    when the block raises one.
    """
    with tempfile.TemporaryDirectory(prefix="serve-") as folder, (Path(folder) / "log").open("w+b") as log:
        port = _free_port()
        started = time.monotonic()
        own = {
            **served_environment(bento, Path(folder), workers=workers),
            "MLOPS_HOME": str(home or folder),
            **(environment or {}),
        }
        with running_server(
            bento, port=port, folder=folder, log=log, environment=own, python=python, launcher=launcher
        ) as process:
            try:
                url = f"http://{LOOPBACK}:{port}"
                _wait_until_ready(process, url, deadline=started + timeout_seconds, log=log)
                yield ServedBento(url, time.monotonic() - started, process.pid)
            except PackagingError as error:
                raise PackagingError(
                    f"bento {bento.tag}: {error}; the end of its log:\n{_tail(log)}"
                ) from error


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]


def served_environment(bento: BuiltBento, folder: Path, *, workers: int) -> dict[str, str]:
    """Return the environment of a server of `bento`: a BentoML home of its own in `folder`, without our settings.

    BentoML empties the metrics folder of its home whenever a server starts, also that of another server: so each
    server gets a home of its own, with links to the stores.
    """
    home = folder / "bentoml"
    home.mkdir()
    for store in ("bentos", "models"):
        (home / store).symlink_to(bento.bentoml_home / store)
    product = bento.tag.split(":")[0]
    kept = {
        name: value
        for name, value in bento_environment(home).items()
        if not name.startswith("MLOPS_") and name != "MLFLOW_TRACKING_URI"
    }
    served_from = {HOME_VARIABLE: str(bento.bentoml_home)}
    return {**kept, **served_from, "BENTOML_CONFIG_OPTIONS": f"services.{product}.workers={workers}"}


@contextlib.contextmanager
def running_server(
    bento: BuiltBento,
    *,
    port: int,
    folder: str,
    log: IO[bytes] | None,
    environment: dict[str, str],
    python: str = sys.executable,
    launcher: Sequence[str] = (),
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a server of `bento` on loopback, in `folder`, while the block runs.

    It is asked to end after the block, and what is left of it is killed, also its workers, which live in sessions of
    their own and outlive a server that dies. When this process is killed, it ends too.

    port: a free one. log: where it logs to; None: where this process does. environment: all of the server's variables,
    see `served_environment`. python: the interpreter that serves. launcher: what comes before its command.
    """
    command = [
        *launcher,
        python,
        "-m",
        "bentoml",
        "serve",
        bento.tag,
        "--host",
        LOOPBACK,
        "--port",
        str(port),
    ]
    with guarded(_FOLDER_VARIABLE, folder):
        process = subprocess.Popen(
            command,
            env={**environment, _FOLDER_VARIABLE: folder},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT if log is not None else None,
            start_new_session=True,  # an interrupt at the terminal reaches the caller, which stops the server
        )
        try:
            yield process
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
            process.kill()
            process.wait()


def _wait_until_ready(
    process: "subprocess.Popen[bytes]", url: str, *, deadline: float, log: IO[bytes]
) -> None:
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise PackagingError(f"the server ended with code {process.returncode} before it was ready")
        if any(sign in _tail(log) for sign in _FAILED_START):
            raise PackagingError("the server failed to start")
        try:
            if httpx.get(f"{url}/readyz", timeout=1.0).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass  # not listening yet
        time.sleep(_POLL_SECONDS)
    raise PackagingError("the server was not ready in time")


def _tail(log: IO[bytes], length: int = 4000) -> str:
    log.flush()
    size = os.fstat(log.fileno()).st_size
    return os.pread(log.fileno(), length, max(0, size - length)).decode(errors="replace")
