"""`mlops dev` for real: both UIs answer, Ctrl-C ends everything, a taken port is said at once."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
import pytest

from mlops_assets.core.files import OTHERS

START_SECONDS = 300
STOP_SECONDS = 120


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [server.getsockname()[1] for server in servers]


@pytest.fixture
def ports() -> tuple[int, int]:
    dagster_port, mlflow_port = free_ports(2)
    return dagster_port, mlflow_port


@pytest.fixture
def dev(tmp_path: Path, ports: tuple[int, int]) -> Iterator[subprocess.Popen[bytes]]:
    """The command in a process of its own, on a fresh home."""
    environment = {**os.environ, "MLOPS_HOME": str(tmp_path / "home"), "DAGSTER_HOME": ""}
    options = [
        "--dagster-port",
        str(ports[0]),
        "--mlflow-port",
        str(ports[1]),
        "--reports-port",
        str(free_ports(1)[0]),
    ]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlops_assets.cli", "dev", *options],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        yield process
        for left in [*descendants(process.pid), process]:
            left.kill()
        process.wait()


def descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> httpx.Response:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            answer = httpx.get(url, timeout=5)
            if answer.status_code == 200:
                return answer
        except httpx.TransportError:
            time.sleep(0.3)
    raise AssertionError(f"{url} does not answer; the log ends with {log.read_text()[-2000:]}")


def test_both_uis_answer_and_ctrl_c_leaves_no_process_behind(
    dev: subprocess.Popen[bytes], ports: tuple[int, int], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    assert "dagster_version" in wait_for(f"http://127.0.0.1:{ports[0]}/server_info", dev, log).json()
    assert wait_for(f"http://127.0.0.1:{ports[1]}/health", dev, log).text == "OK"
    assert (tmp_path / "home" / "dagster" / "dagster.yaml").is_file()
    require_that_only_the_own_page_reaches_dagster(ports[0])
    assert (
        httpx.get(
            f"http://127.0.0.1:{ports[1]}/", headers={"Host": f"10.evil.example:{ports[1]}"}
        ).status_code
        == 403
    )
    second = started_again(tmp_path)
    assert second.returncode == 1
    assert f"mlops dev runs on {tmp_path / 'home'} already, in process {dev.pid} " in " ".join(
        second.stderr.split()
    )
    made = [tmp_path / "home", *(tmp_path / "home").rglob("*")]
    assert {str(path): oct(mode) for path in made if (mode := mode_of(path)) & OTHERS} == {}
    started = descendants(dev.pid)
    assert len(started) >= 4
    try:
        dev.send_signal(signal.SIGINT)
        assert dev.wait(STOP_SECONDS) == 0
        psutil.wait_procs(started, timeout=STOP_SECONDS)
        assert [process.pid for process in started if is_alive(process)] == []
        assert free_again(ports)
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


def started_again(folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MLOPS_HOME": str(folder / "home"), "DAGSTER_HOME": ""}
    command = [sys.executable, "-m", "mlops_assets.cli", "dev"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.rehearsal
def test_what_it_started_ends_with_it_when_it_is_killed(
    dev: subprocess.Popen[bytes], ports: tuple[int, int], tmp_path: Path
) -> None:
    wait_for(f"http://127.0.0.1:{ports[0]}/server_info", dev, tmp_path / "log")
    wait_for(f"http://127.0.0.1:{ports[1]}/health", dev, tmp_path / "log")
    started = descendants(dev.pid)
    try:
        dev.kill()
        dev.wait()
        psutil.wait_procs(started, timeout=STOP_SECONDS)
        assert [process.pid for process in started if is_alive(process)] == []
        assert free_again(ports)
    finally:
        for process in filter(is_alive, started):
            process.kill()


def is_alive(process: psutil.Process) -> bool:
    """A zombie is dead: what outlives its parent is collected by init, and a container's may take its time."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def free_again(ports: tuple[int, int]) -> bool:
    for port in ports:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return False
    return True


@pytest.mark.parametrize("which", [0, 1])
def test_a_taken_port_is_said_before_anything_starts(
    which: int, tmp_path: Path, ports: tuple[int, int]
) -> None:
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
