"""A home that one process holds at a time; the kernel gives it back with the process, however that ended."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlops_assets.core.errors import PlatformError
from mlops_assets.core.runtime.ports import described


@contextmanager
def only_one(file: Path, *, what: str) -> Iterator[None]:
    """Hold the lock `file` while the block runs; `what` names what runs once.

    Raises: PlatformError naming the process that holds it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            holder = lock.read().strip()
            by = described(int(holder)) if holder.isdigit() else "another process"
            raise PlatformError(
                f"{what} runs on {file.parent} already, in {by}: use that one, or stop it first"
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
