"""What a process started ends with it, however it ends: real processes, which are killed."""

import subprocess
import sys
import time
import uuid
from collections.abc import Iterator

import psutil
import pytest

from mlops_assets.core.runtime.guard import marked

PATIENCE_SECONDS = 60
NAME = "GUARDED_BY_TEST"
HOLDER = """
import subprocess, sys, os, signal
from mlops_assets.core.runtime.guard import guarded

name, value = sys.argv[1:]
sleeper = "import signal, sys, time; {}; sys.stdout.write('up '); sys.stdout.flush(); time.sleep(600)"
with guarded(name, value):
    environment = {**os.environ, name: value}
    for prepare in ("pass", "signal.signal(signal.SIGTERM, signal.SIG_IGN)"):
        process = subprocess.Popen(
            [sys.executable, "-c", sleeper.format(prepare)],
            env=environment, start_new_session=True, stdout=subprocess.PIPE, text=True,
        )
        process.stdout.read(3)
    sys.stdout.write("ready\\n")
    sys.stdout.flush()
    sys.stdin.readline()
"""


@pytest.fixture
def value() -> Iterator[str]:
    value = uuid.uuid4().hex
    yield value
    for left in marked(NAME, value):
        left.kill()


def holder(value: str) -> "subprocess.Popen[str]":
    """A process with two children in sessions of their own; one of them takes no SIGTERM."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, NAME, value],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    assert len(marked(NAME, value)) == 2
    return process


def guards(value: str) -> list[psutil.Process]:
    return [
        one
        for one in psutil.process_iter(["cmdline"])
        if (one.info["cmdline"] or [])[-2:] == [NAME, value] and "guard.py" in " ".join(one.info["cmdline"])
    ]


def wait_until_gone(value: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while left := [*marked(NAME, value), *guards(value)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def test_what_a_killed_process_left_is_ended(value: str) -> None:
    process = holder(value)
    assert len(guards(value)) == 1
    process.kill()
    process.communicate()
    wait_until_gone(value)


def test_the_end_of_the_block_ends_them_and_the_guard(value: str) -> None:
    process = holder(value)
    process.communicate("\n", timeout=PATIENCE_SECONDS)
    assert process.returncode == 0
    assert [*marked(NAME, value), *guards(value)] == []


def test_nothing_else_is_ended(value: str) -> None:
    other = holder(f"{value}-other")
    process = holder(value)
    process.kill()
    process.communicate()
    wait_until_gone(value)
    assert len(marked(NAME, f"{value}-other")) == 2
    other.communicate("\n", timeout=PATIENCE_SECONDS)
