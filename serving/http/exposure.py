"""Whether this process takes requests from other machines, as the operating system says."""

import os
import socket
import stat
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

_OPEN_FILES = Path("/dev/fd")


def exposed_addresses() -> tuple[str, ...]:
    """Return the addresses beyond loopback on which this process takes connections, sorted; `0.0.0.0` is all.

    Empty where the system has no list of a process's open files.
    """
    found = set()
    for entry in list(_OPEN_FILES.iterdir()) if _OPEN_FILES.is_dir() else []:
        with suppress(OSError, ValueError):
            found.add(_listening_at(int(entry.name)))
    return tuple(sorted(address for address in found if address and not ip_address(address).is_loopback))


def _listening_at(descriptor: int) -> str | None:
    if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        return None
    with socket.socket(fileno=os.dup(descriptor)) as copy:
        is_server = copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        return (
            copy.getsockname()[0] if is_server and copy.family in (socket.AF_INET, socket.AF_INET6) else None
        )
