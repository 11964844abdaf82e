"""Ends what a process started when that process is gone, however it ended: `python -P FILE NAME VALUE`.

The guard holds one end of a pipe. The kernel closes the other one with the process that is guarded, so that no lease
runs out and no file is left behind. This module imports none of our packages, so that the guard starts at once.
"""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil

GRACE_SECONDS = 5.0
"""How long what is left has to end by itself."""
QUIET_LOOKS = 3
LONGEST_SECONDS = 120.0
"""What even a kill does not end is left alone then."""
_LATE_SECONDS = 0.5
"""A process that was just being started does not show its mark yet."""


@contextlib.contextmanager
def guarded(name: str, value: str) -> Iterator[None]:
    """End every process with the environment variable `name` of this `value` when the block ends, or this process dies.

    Processes inherit their mark, whatever session they live in and whoever started them. This process must not have it.
    """
    guard = subprocess.Popen(
        [sys.executable, "-P", __file__, name, value],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # what is sent to this process's group does not reach the guard
    )
    try:
        yield
    finally:
        for left in marked(name, value):
            with contextlib.suppress(psutil.Error):
                left.kill()
        guard.kill()
        guard.communicate()


def marked(name: str, value: str) -> list[psutil.Process]:
    """Return the living processes that have the environment variable `name` of this `value`."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(name) == value:
                found.append(process)
    return found


def main(name: str, value: str) -> None:
    """Wait until the guarded process is gone, then ask what it left to end, and kill what does not.

    What is left may be starting others, so this looks until it finds nothing several times in a row.
    """
    sys.stdin.buffer.read()
    deadline, quiet_looks = time.monotonic() + LONGEST_SECONDS, 0
    while quiet_looks < QUIET_LOOKS and time.monotonic() < deadline:
        left = marked(name, value)
        quiet_looks = 0 if left else quiet_looks + 1
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.terminate()
        _, stubborn = psutil.wait_procs(left, timeout=GRACE_SECONDS)
        for process in stubborn:
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(_LATE_SECONDS)


if __name__ == "__main__":
    main(*sys.argv[1:])
