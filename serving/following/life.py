"""The follower's life: it starts with the server, before any model is loaded, and again when it died.

The server is the process that starts the workers. Who starts the follower does not matter: it ends with the server.
"""

import fcntl
import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

LOCK_FILE = "follower.lock"
FOLLOWER = "serving.plan_follower"
SERVER_VARIABLE = "SERVING_SERVER_PID"
"""Holds the process id of the server, for its workers."""
FOLLOWING_VARIABLES = ("MLOPS_TABLES_URI", "MLFLOW_TRACKING_URI")
"""One of them says where a release plan is; without any a bento serves its own version."""
RESTART_SECONDS = 5.0
"""Between starts of a follower that does not live."""
ORPHAN_SECONDS = 10.0
"""Within which a worker without a server must have ended in order."""
_log = logging.getLogger(__name__)


def is_plan_known() -> bool:
    """Tell whether the environment says where a release plan is."""
    return any(os.environ.get(name) for name in FOLLOWING_VARIABLES)


def follow_with_this_server(product: str) -> None:
    """Start the follower for the life of this process, which starts workers, and tell them which process that is."""
    os.environ[SERVER_VARIABLE] = str(os.getpid())
    if is_plan_known():
        start_follower(product, server=os.getpid())


def server_of_this_worker() -> int:
    """Return the process id of the server of this worker: the one it was told, else its parent."""
    return int(os.environ.get(SERVER_VARIABLE) or os.getppid())


def start_follower(product: str, *, server: int) -> "subprocess.Popen[bytes]":
    """Start a follower that ends with the process `server`, or at once where another one follows on this host."""
    return subprocess.Popen(
        [sys.executable, "-m", FOLLOWER, product, "--server", str(server)],
        cwd=Path(__file__).resolve().parents[2],
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # an interrupt at the terminal is the server's, with which it ends
    )


def lock_file(serving_home: Path, product: str) -> Path:
    """Return the file that the host's one follower of the product holds locked."""
    return serving_home / product / LOCK_FILE


def is_followed(serving_home: Path, product: str) -> bool:
    """Tell whether a follower lives on this host, whoever started it."""
    try:
        with lock_file(serving_home, product).open("rb") as file:
            fcntl.flock(
                file, fcntl.LOCK_SH | fcntl.LOCK_NB
            )  # shared, so that two that ask do not see each other
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def is_orphan(server: int) -> bool:
    """Tell whether the server of this worker is gone, so that nobody would end the worker."""
    return os.getppid() != server


def end_soon() -> None:
    """Ask this process to end in order, and make sure that it does."""
    os.kill(os.getpid(), signal.SIGTERM)
    sure = threading.Timer(ORPHAN_SECONDS, os.kill, (os.getpid(), signal.SIGKILL))
    sure.daemon = True
    sure.start()


class FollowerKeeper:
    """Starts the follower again when none lives on this host; each worker has one."""

    def __init__(self, product: str, serving_home: Path, *, server: int) -> None:
        """`server` is the process with which the follower is to end."""
        self._product = product
        self._serving_home = serving_home
        self._server = server
        self._started: subprocess.Popen[bytes] | None = None
        self._next_start = 0.0

    def keep(self) -> None:
        """Start a follower if none lives; one that ends at once is started every RESTART_SECONDS.

        Of two that several workers start at once, the later one ends by itself.

        Raises: OSError when no process can be started.
        """
        if self._started is not None and self._started.poll() is None:
            return  # it follows, or is about to
        now = time.monotonic()
        if now < self._next_start or is_followed(self._serving_home, self._product):
            return
        self._next_start = now + RESTART_SECONDS
        _log.warning("%s: no follower lives on this host: one is started", self._product)
        self._started = start_follower(self._product, server=self._server)


class ServerLife:
    """Waits for the end of a process; `None` lives for ever."""

    def __init__(self, server: int | None) -> None:
        """`server` is a process id."""
        self.is_known = server is not None
        self._server = server
        self._is_child = server is not None and os.getppid() == server
        self._descriptor = _open(server)

    def is_over(self, *, within: float = 0.0) -> bool:
        """Wait so many seconds at most; tell whether the process has ended."""
        if self._descriptor is not None:
            return bool(select.select([self._descriptor], [], [], within)[0])
        if within:
            time.sleep(within)
        if self._server is None:
            return False
        return os.getppid() != self._server if self._is_child else not _lives(self._server)


def _open(server: int | None) -> int | None:
    """A descriptor that becomes readable when the process ends; None where the system has none."""
    if server is None or not hasattr(os, "pidfd_open") or not _lives(server):
        return None
    try:
        return os.pidfd_open(server)
    except OSError:
        return None


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
