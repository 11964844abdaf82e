"""`mlops dev` for real: both UIs answer, Ctrl-C ends everything, a taken port is said at once."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from mlops_assets.core.files import OTHERS
from mlops_assets_tests.support.processes.mlops_dev import RunningDev, descendants, free_ports, mlops_dev

STOP_SECONDS = 120


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[RunningDev]:
    """The command in a process of its own, on a fresh home."""
    with mlops_dev(tmp_path) as running:
        yield running


def test_both_uis_answer_and_ctrl_c_leaves_no_process_behind(dev: RunningDev) -> None:
    assert "dagster_version" in dev.wait_for(dev.dagster_port, "/server_info").json()
    assert dev.wait_for(dev.mlflow_port, "/health").text == "OK"
    assert (dev.home / "dagster" / "dagster.yaml").is_file()
    require_that_only_the_own_page_reaches_dagster(dev.dagster_port)
    foreign = {"Host": f"10.evil.example:{dev.mlflow_port}"}
    assert httpx.get(f"http://127.0.0.1:{dev.mlflow_port}/", headers=foreign).status_code == 403
    second = started_again(dev.home)
    assert second.returncode == 1
    words = f"mlops dev runs on {dev.home} already, in process {dev.process.pid} "
    assert words in " ".join(second.stderr.split())
    made = [dev.home, *dev.home.rglob("*")]
    assert {str(path): oct(mode) for path in made if (mode := mode_of(path)) & OTHERS} == {}
    started = descendants(dev.process.pid)
    assert len(started) >= 4
    try:
        dev.process.send_signal(signal.SIGINT)
        assert dev.process.wait(STOP_SECONDS) == 0
        psutil.wait_procs(started, timeout=STOP_SECONDS)
        assert [process.pid for process in started if is_alive(process)] == []
        assert free_again(dev)
    finally:
        for process in filter(is_alive, started):
            process.kill()


def mode_of(path: Path) -> int:
    """The mode of a file; nothing where it has gone meanwhile, as a database's journal does."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return 0


def require_that_only_the_own_page_reaches_dagster(port: int) -> None:
    """The guard stands in front of the UI that was started; what it lets pass is tested with it."""
    url, query = f"http://127.0.0.1:{port}/graphql", "{workspaceOrError{__typename}}"
    same = httpx.post(url, json={"query": query}, headers={"Origin": f"http://127.0.0.1:{port}"})
    assert same.json() == {"data": {"workspaceOrError": {"__typename": "Workspace"}}}
    assert (
        httpx.post(url, json={"query": query}, headers={"Origin": "http://evil.example"}).status_code == 403
    )
    assert httpx.post(url, json={"query": query}, headers={"Host": f"evil.example:{port}"}).status_code == 403
    assert (
        httpx.post(url, content=f'{{"query": "{query}"}}', headers={"Content-Type": "text/plain"}).status_code
        == 415
    )
    assert httpx.get(url, params={"query": query}).status_code == 405


def started_again(home: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MLOPS_HOME": str(home), "DAGSTER_HOME": ""}
    command = [sys.executable, "-m", "mlops_assets.cli", "dev"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.rehearsal
def test_what_it_started_ends_with_it_when_it_is_killed(dev: RunningDev) -> None:
    dev.wait_for(dev.dagster_port, "/server_info")
    dev.wait_for(dev.mlflow_port, "/health")
    started = descendants(dev.process.pid)
    try:
        dev.process.kill()
        dev.process.wait()
        psutil.wait_procs(started, timeout=STOP_SECONDS)
        assert [process.pid for process in started if is_alive(process)] == []
        assert free_again(dev)
    finally:
        for process in filter(is_alive, started):
            process.kill()


def is_alive(process: psutil.Process) -> bool:
    """A zombie is dead: what outlives its parent is collected by init, and a container's may take its time."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def free_again(dev: RunningDev) -> bool:
    for port in (dev.dagster_port, dev.mlflow_port, dev.reports_port):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return False
    return True


@pytest.mark.parametrize("which", [0, 1])
def test_a_taken_port_is_said_before_anything_starts(which: int, tmp_path: Path) -> None:
    ports = free_ports(2)
    option = ("--dagster-port", "--mlflow-port")[which]
    options = ["--dagster-port", str(ports[0]), "--mlflow-port", str(ports[1])]
    environment = {**os.environ, "MLOPS_HOME": str(tmp_path), "DAGSTER_HOME": ""}
    with socket.create_server(("127.0.0.1", ports[which])):
        ended = subprocess.run(
            [sys.executable, "-m", "mlops_assets.cli", "dev", *options],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert ended.returncode == 1
    assert f"port {ports[which]} is taken by process {os.getpid()} " in " ".join(ended.stderr.split())
    assert option in ended.stderr
    assert "Traceback" not in ended.stderr
