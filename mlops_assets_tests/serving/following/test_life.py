"""The follower's life: it is seen by its lock, started again when it died, and ends with its server."""

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from serving.following.life import (
    SERVER_VARIABLE,
    FollowerKeeper,
    ServerLife,
    follow_with_this_server,
    is_followed,
    is_orphan,
    is_plan_known,
    lock_file,
    server_of_this_worker,
)

WAIT_SECONDS = 60


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def test_a_host_is_followed_while_somebody_holds_the_lock(tmp_path: Path) -> None:
    assert not is_followed(tmp_path, "shop")
    file = lock_file(tmp_path, "shop")
    file.parent.mkdir()
    with file.open("ab") as held:
        assert not is_followed(tmp_path, "shop")
        fcntl.flock(held, fcntl.LOCK_EX)
        assert is_followed(tmp_path, "shop")
    assert not is_followed(tmp_path, "shop")


def followers() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if "serving.plan_follower" in one.cmdline()]


def new_followers(before: list[psutil.Process]) -> list[psutil.Process]:
    """The followers beside those of before, once there is one: a process that has just begun has no arguments yet."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if started := [one for one in followers() if one not in before]:
            return started
        time.sleep(0.01)
    return []


def test_a_follower_is_started_once_and_not_beside_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = followers()
    keeper = FollowerKeeper("no_product", tmp_path, server=os.getpid())
    file = lock_file(tmp_path, "no_product")
    file.parent.mkdir()
    with file.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        keeper.keep()
        assert followers() == before
    monkeypatch.setattr("serving.following.life.RESTART_SECONDS", 0.0)
    keeper.keep()
    keeper.keep()  # the first one is about to begin
    started = new_followers(before)
    assert len(started) == 1
    assert started[0].cmdline()[-2:] == ["--server", str(os.getpid())]
    started[0].kill()
    psutil.wait_procs(started, timeout=WAIT_SECONDS)


def test_the_end_of_a_server_is_seen_at_once_whoever_started_it(sleeper: "subprocess.Popen[bytes]") -> None:
    life = ServerLife(sleeper.pid)
    assert not life.is_over()
    sleeper.kill()
    assert life.is_over(within=WAIT_SECONDS)
    sleeper.wait()
    assert ServerLife(sleeper.pid).is_over()


def test_without_a_server_it_lives_for_ever() -> None:
    assert not ServerLife(None).is_over(within=0.01)
    assert not ServerLife(os.getppid()).is_over()


def test_a_worker_knows_its_server_and_that_it_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SERVER_VARIABLE, raising=False)
    assert server_of_this_worker() == os.getppid()
    assert not is_orphan(server_of_this_worker())
    monkeypatch.setenv(SERVER_VARIABLE, "1234567")
    assert is_orphan(server_of_this_worker())


def test_without_a_plan_to_follow_a_server_starts_no_follower(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SERVER_VARIABLE, "")
    for name in ("MLOPS_TABLES_URI", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    before = followers()
    assert not is_plan_known()
    follow_with_this_server("no_product")
    assert server_of_this_worker() == os.getpid()
    assert followers() == before
