"""Which process listens on a port of the loopback interface, for a message that a person can act on."""

import contextlib
import socket

import psutil

from mlops_assets.core.errors import PlatformError

LOOPBACK = "127.0.0.1"


def require_free(port: int, *, option: str) -> None:
    """Raise PlatformError, which names the process that listens, when the port on loopback is taken.

    option: of the command line, which chooses another port.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            by = listener(port) or "a process that this user may not see"
            raise PlatformError(
                f"port {port} is taken by {by}: stop that, or choose another with {option}"
            ) from error


def listener(port: int) -> str | None:
    """Return number and command line of the process that listens on the port; None where the system does not say."""
    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            if connection.status != psutil.CONN_LISTEN or not connection.laddr or connection.pid is None:
                continue
            if connection.laddr.port == port:
                return described(connection.pid)
    return None


def described(pid: int) -> str:
    """Return number and command line of a process, as far as the system tells them."""
    try:
        command = " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        return f"process {pid}"
    shown = "".join(character for character in command if character.isprintable())
    return f"process {pid} ({shown if len(shown) <= 100 else shown[:99] + '…'})"
