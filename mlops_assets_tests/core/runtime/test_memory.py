"""Free memory is the least that anybody leaves, and what a process took is measured."""

import subprocess
import sys
from pathlib import Path

import pytest

from mlops_assets.core.runtime.memory import MEBIBYTE, free_memory


def put(root: Path, name: str, content: str) -> None:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host with 1,000 KiB available."""
    put(tmp_path, "proc/meminfo", "MemTotal:   4000 kB\nMemFree:  10 kB\nMemAvailable:   1000 kB\n")
    return tmp_path


def test_this_host_has_free_memory() -> None:
    assert (free_memory() or 0) > MEBIBYTE


def test_without_a_group_the_host_says_what_is_free(root: Path) -> None:
    assert free_memory(root) == 1000 * 1024


def test_where_nobody_says_it_nothing_is_known(tmp_path: Path) -> None:
    assert free_memory(tmp_path) is None


@pytest.mark.parametrize(("limit", "free"), [("300000", 300_000 - 200_000 + 50_000), ("max", 1000 * 1024)])
def test_a_groups_limit_counts_without_what_only_caches_files(root: Path, limit: str, free: int) -> None:
    put(root, "proc/self/cgroup", "0::/pod/container\n")
    put(root, "sys/fs/cgroup/pod/container/memory.max", f"{limit}\n")
    put(root, "sys/fs/cgroup/pod/container/memory.current", "200000\n")
    put(root, "sys/fs/cgroup/pod/container/memory.stat", "anon 1\ninactive_file 50000\n")
    assert free_memory(root) == free


def test_the_group_around_counts_too_also_as_a_container_sees_it(root: Path) -> None:
    """A container is told its path on the host, and sees its own group at the top."""
    put(root, "proc/self/cgroup", "0::/a/path/of/the/host\n")
    put(root, "sys/fs/cgroup/memory.max", "9000\n")
    put(root, "sys/fs/cgroup/memory.current", "4000\n")
    put(root, "sys/fs/cgroup/memory.stat", "inactive_file 0\n")
    assert free_memory(root) == 5000
    put(root, "sys/fs/cgroup/memory.current", "10000\n")
    assert free_memory(root) == 0


def test_groups_of_version_1_count(root: Path) -> None:
    put(root, "proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/x\n")
    put(root, "sys/fs/cgroup/memory/x/memory.limit_in_bytes", "7000\n")
    put(root, "sys/fs/cgroup/memory/x/memory.usage_in_bytes", "6000\n")
    put(root, "sys/fs/cgroup/memory/x/memory.stat", "total_inactive_file 500\n")
    assert free_memory(root) == 1500


def test_a_process_measures_its_own_peak_and_stops_at_its_limit() -> None:
    """The one that starts it holds far more, which must not count."""
    code = """
from mlops_assets.core.runtime.memory import limit_growth, peak_memory, resident_memory
before = resident_memory()
assert peak_memory() < 200 * 2**20, peak_memory()
held = bytearray(30 * 2**20)
del held
assert 29 * 2**20 <= peak_memory() - before < 60 * 2**20, peak_memory() - before
limit_growth(20 * 2**20)
try:
    bytearray(40 * 2**20)
except MemoryError:
    print("stopped")
"""
    ballast = b"x" * (250 * MEBIBYTE)
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert len(ballast)
    assert (ended.returncode, ended.stdout) == (0, "stopped\n"), ended.stderr
