"""A disk of its own that is small, so that it can be full for real while the host's disk is not."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from mlops_assets.core.errors import ConfigurationError

BLOCK = 4096
BALLAST_FILE = "ballast"


@contextlib.contextmanager
def small_disk(folder: Path, *, mebibytes: int) -> Iterator[Path]:
    """Mount a file system in memory at `folder`, which is made, while the block runs.

    Raises: ConfigurationError where this user may not mount.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _as_root("mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=0777", "mlops-drill", str(folder))
    try:
        yield folder
    finally:
        _as_root("umount", "--lazy", str(folder))


@contextlib.contextmanager
def full(disk: Path) -> Iterator[None]:
    """Leave no free block on a disk while the block runs.

    Raises: ConfigurationError when it cannot be filled.
    """
    ballast = disk / BALLAST_FILE
    try:
        _fill(ballast, size=os.statvfs(disk).f_bavail * BLOCK)
        if os.statvfs(disk).f_bavail:
            raise ConfigurationError(f"{disk} is not full")
        yield
    finally:
        ballast.unlink(missing_ok=True)


def _fill(file: Path, *, size: int) -> None:
    with (
        file.open("ab", buffering=0) as opened,
        contextlib.suppress(OSError),
    ):  # it is full: that is what is wanted
        for _ in range(2 * size // BLOCK):
            opened.write(b"x" * BLOCK)


def _as_root(*command: str) -> None:
    asked = command if os.geteuid() == 0 else ("sudo", "-n", *command)
    try:
        ended = subprocess.run(asked, capture_output=True, text=True, check=False)
        problem = ended.stderr.strip() if ended.returncode else ""
    except OSError as error:
        problem = str(error)
    if problem:
        raise ConfigurationError(
            f"a small disk cannot be had ({' '.join(asked)}: {problem}): it needs root, or sudo"
        )
