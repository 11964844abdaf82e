"""A small filesystem that can be filled for real: memory, mounted where only chosen processes see it."""

import errno
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlops_assets.core.errors import ConfigurationError

_WAYS = (("--user", "--map-root-user", "--mount"), ("--mount",))
"""For an ordinary user, whom many systems let have namespaces of their own; for root where they do not."""
_FILLER = "filler"
_BLOCK = 1 << 16
MISSING = (
    "a small filesystem is needed, which can be filled for real, and this user may mount none: install util-linux "
    "(unshare, nsenter) and allow user namespaces (sysctl kernel.unprivileged_userns_clone=1; where AppArmor is in use "
    "kernel.apparmor_restrict_unprivileged_userns=0), or run as root; a container needs --cap-add SYS_ADMIN"
)


@dataclass(frozen=True)
class SmallDisk:
    """A mounted filesystem; it goes with the block that made it, also when the process is killed."""

    folder: Path
    """Where processes that were started through `launcher` see it."""
    outside: Path
    """The same for every other process of this user. SQLite takes no such name, since it follows its links."""
    launcher: tuple[str, ...]
    """What comes before a command, so that it sees `folder`."""

    def fill(self) -> int:
        """Write until there is no space left; return how many bytes that took.

        Raises: OSError for another reason than a full disk.
        """
        written = 0
        with (self.outside / _FILLER).open("ab", buffering=0) as filler:
            for size in (_BLOCK, 512):
                while True:
                    try:
                        written += filler.write(bytes(size))
                    except OSError as error:
                        if error.errno != errno.ENOSPC:
                            raise
                        break
        return written

    def free(self) -> None:
        """Give the space back."""
        (self.outside / _FILLER).unlink(missing_ok=True)

    def free_bytes(self) -> int:
        """Return how much can be written."""
        stand = os.statvfs(self.outside)
        return stand.f_bavail * stand.f_frsize


@contextmanager
def small_disk(folder: Path, *, size_bytes: int) -> Iterator[SmallDisk]:
    """Mount an empty filesystem of `size_bytes` at `folder`, an empty folder, while the block runs.

    Raises: ConfigurationError where this user may not, with what to do.
    """
    where = folder.resolve()
    for way in _WAYS:
        script = 'mount -t tmpfs -o "size=$1,mode=0700" tmpfs "$2" && echo mounted && exec cat'
        # It ends with this process: nobody holds the other end of its input then, and the mount goes with it.
        holder = subprocess.Popen(
            ["unshare", *way, "sh", "-c", script, "sh", str(size_bytes), str(where)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            if holder.stdout is not None and holder.stdout.readline() == b"mounted\n":
                yield _disk(where, holder.pid, way)
                return
        finally:
            holder.kill()
            holder.wait()
    raise ConfigurationError(MISSING)


def require_small_disk() -> None:
    """Raise ConfigurationError where this user may mount no small filesystem, with what to do."""
    with tempfile.TemporaryDirectory() as folder, small_disk(Path(folder), size_bytes=1 << 20):
        return


def _disk(folder: Path, holder: int, way: tuple[str, ...]) -> SmallDisk:
    spaces = ["--mount"] if "--user" not in way else ["--user", "--mount", "--preserve-credentials"]
    launcher = ("nsenter", *spaces, "--target", str(holder), "--wd=.", "--")
    return SmallDisk(folder, Path(f"/proc/{holder}/root{folder}"), launcher)
