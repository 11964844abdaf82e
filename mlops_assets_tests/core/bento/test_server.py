"""A served bento: ready in time or stopped, and none of its processes left."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from mlops_assets.core.bento import build as packaging
from mlops_assets.core.bento.build import BuiltBento
from mlops_assets.core.bento.golden_requests import GoldenRequests
from mlops_assets.core.bento.latency import LatencyLimits
from mlops_assets.core.bento.server import served
from mlops_assets.core.bento.smoke import smoke_test
from mlops_assets.core.errors import PackagingError
from mlops_assets_tests.support.homes.product_bento import servers
from mlops_assets_tests.support.homes.served_product import answering_process


def bentoml(home: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "bentoml", *arguments]
    subprocess.run(command, env=packaging.bento_environment(home), check=True, capture_output=True)


def test_a_server_that_is_not_ready_in_time_fails_and_is_stopped(
    built: BuiltBento, golden: GoldenRequests
) -> None:
    with pytest.raises(PackagingError, match="not ready in time"):
        smoke_test(built, golden, limits=LatencyLimits(margin=1e6), timeout_seconds=0.2)
    assert servers(built.bentoml_home) == []


@pytest.mark.rehearsal
def test_workers_of_a_server_that_was_killed_are_ended_too(built: BuiltBento) -> None:
    with served(built, timeout_seconds=120) as server:
        port = server.url.rsplit(":", 1)[1]
        (main,) = [process for process in servers(built.bentoml_home) if port in process.cmdline()]
        assert len(servers(built.bentoml_home)) > 1
        main.kill()
    assert servers(built.bentoml_home) == []


@pytest.mark.rehearsal
def test_its_workers_are_the_processes_that_answer_and_one_that_was_killed_is_replaced(
    built: BuiltBento,
) -> None:
    with served(built, timeout_seconds=120, workers=2) as server:
        first = {worker.pid for worker in server.workers()}
        assert len(first) == 2
        assert server.pid not in first
        wait_until(lambda: answering(server.url) == first)
        victim = min(first)
        psutil.Process(victim).kill()
        wait_until(lambda: len({worker.pid for worker in server.workers()} - {victim}) == 2)
        now = {worker.pid for worker in server.workers()}
        wait_until(lambda: answering(server.url) == now)
    assert server.workers() == []


def answering(url: str) -> set[int]:
    """The processes that hold the other ends of some connections."""
    with contextlib.ExitStack() as opened:
        clients = [opened.enter_context(httpx.Client(base_url=url, timeout=30)) for _ in range(12)]
        return {answering_process(client) for client in clients}


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)


HOLDER = """
import sys
from pathlib import Path
from mlops_assets.core.bento.build import built_bento
from mlops_assets.core.bento.server import served

with served(built_bento(sys.argv[1], Path(sys.argv[2])), timeout_seconds=120):
    sys.stdout.write("ready\\n")
    sys.stdout.flush()
    sys.stdin.readline()
"""


@pytest.mark.rehearsal
def test_a_server_ends_with_a_run_that_was_killed_while_it_asked(built: BuiltBento) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, built.tag, str(built.bentoml_home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "ready\n"
    assert len(servers(built.bentoml_home)) > 1
    holder.kill()
    holder.communicate()
    deadline = time.monotonic() + 60
    while left := servers(built.bentoml_home):
        assert time.monotonic() < deadline, left
        time.sleep(0.2)
