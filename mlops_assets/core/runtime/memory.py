"""How much memory this process may still take, and how much it has taken."""

import contextlib
import resource
import sys
from pathlib import Path

MEBIBYTE = 1024 * 1024
_ROOT = Path("/")


def free_memory(root: Path = _ROOT) -> int | None:
    """Return bytes that new processes may take before the host, or a control group around this process, has none left.

    The least of what the kernel calls available, and of what each group of this process leaves of its limit; memory
    that only caches files counts as free. None where the system does not say.
    """
    known = [value for value in (_available(root), *_left_in_groups(root)) if value is not None]
    return max(0, min(known)) if known else None


def resident_memory() -> int:
    """Return bytes of memory that this process holds now; where the system does not say, those of its peak."""
    with contextlib.suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    return peak_memory()


def peak_memory() -> int:
    """Return the most bytes of memory that this process has held at one time."""
    with contextlib.suppress(
        OSError
    ):  # what getrusage says on Linux, a process inherits from the one that started it
        return _counted(Path("/proc/self/status"), "VmHWM:") * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def limit_growth(size: int) -> None:
    """Let this process take so many bytes more than it has; what asks for more gets an error. Linux only."""
    with contextlib.suppress(OSError, ValueError):
        taken = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (taken + size, hard))


def _available(root: Path) -> int | None:
    with contextlib.suppress(OSError):
        return _counted(root / "proc/meminfo", "MemAvailable:") * 1024
    return None


def _left_in_groups(root: Path) -> list[int]:
    """What each control group, of version 2 or 1, leaves: a container sees its own at the top of the tree."""
    left = []
    for folder, limit, used, cached in _groups(root):
        with contextlib.suppress(OSError, ValueError):  # no limit reads "max"
            most, taken = int((folder / limit).read_text()), int((folder / used).read_text())
            left.append(most - taken + _counted(folder / "memory.stat", cached))
    return left


def _groups(root: Path) -> list[tuple[Path, str, str, str]]:
    found = []
    with contextlib.suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                tree, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
            elif "memory" in controllers.split(","):
                names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
                tree = root / "sys/fs/cgroup/memory"
            else:
                continue
            inner = tree / path.lstrip("/")
            found += [(folder, *names) for folder in (inner, *inner.parents) if folder.is_relative_to(tree)]
    return found


def _counted(file: Path, name: str) -> int:
    """The number that follows `name` at the start of a line; 0 where there is none.

    Raises: OSError when the file cannot be read.
    """
    lines = (line.split() for line in file.read_text().splitlines())
    return next((int(words[1]) for words in lines if len(words) > 1 and words[0] == name), 0)
