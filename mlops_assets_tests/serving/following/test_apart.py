"""What runs apart ends with its time, with the one that waits, and with all that it started."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from serving.following import apart
from serving.following.apart import Ended, NotWantedError, run_apart

CHILD = "mlops_assets_tests.support.processes.apart_child"
WAIT_SECONDS = 60.0


def run(kind: str, file: Path, *, seconds: int = 500, is_wanted: Callable[[], bool] = lambda: True) -> Ended:
    return run_apart(CHILD, [kind, str(file)], seconds=seconds, is_wanted=is_wanted, environment={})


def ids(file: Path) -> list[int]:
    wait_until(file.exists)
    return [int(word) for word in file.read_text().split()]


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_gone(process: int) -> bool:
    try:
        return psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_process_that_shouts_fills_no_memory_and_its_last_word_counts(tmp_path: Path) -> None:
    ended = run("shouts", tmp_path / "ids")
    assert (ended.code, ended.is_late, ended.told) == (0, False, {"growth": 1})
    assert len(ended.output) == apart.KEPT_BYTES


def test_a_stopped_process_ends_soon_after_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "GRACE_SECONDS", 0.3)
    file = tmp_path / "ids"
    stopper = threading.Thread(target=lambda: os.kill(ids(file)[0], signal.SIGSTOP))
    stopper.start()
    ended = run("waits", file, seconds=2)
    stopper.join()
    assert ended.is_late
    assert is_gone(ids(file)[0])


def test_what_nobody_wants_ends_with_all_that_it_started(tmp_path: Path) -> None:
    file = tmp_path / "ids"
    with pytest.raises(NotWantedError):
        run("starts", file, is_wanted=lambda: not file.exists())
    assert len(ids(file)) == 2
    for process in ids(file):
        wait_until(lambda process=process: is_gone(process))


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_the_process_that_waits(tmp_path: Path, blow: signal.Signals) -> None:
    file = tmp_path / "ids"
    code = (
        "from serving.following.apart import run_apart; "
        f"run_apart({CHILD!r}, ['starts', {str(file)!r}], seconds=500, is_wanted=lambda: True, environment={{}})"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as waiting:
        try:
            started = ids(file)
        finally:
            waiting.send_signal(blow)
    for process in started:
        wait_until(lambda process=process: is_gone(process))
