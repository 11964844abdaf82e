"""`mlops serve` for real: it answers, follows the plan without a restart, and stops with all children."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest

from mlops_assets.commands.serve import released_bento, service_variables
from mlops_assets.core.bento.server import served
from mlops_assets.core.model.calibration import SigmoidCalibrator
from mlops_assets.core.registry.mlflow_client import mlflow_client
from mlops_assets.core.registry.tag_names import BENTO_TAG, THRESHOLD_TAG, VIEW_TAG
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets_tests.support.homes.home import Home
from mlops_assets_tests.support.homes.product_bento import product_bento, sampled_product

PRODUCT = "mortality_risk"
START_SECONDS = 300
FOLLOW_SECONDS = 120
STOP_SECONDS = 120


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with a registry of two versions, the first of which has a bento and is released."""
    sampled = sampled_product(PRODUCT)
    home = Home(tmp_path_factory.mktemp("home"), sampled.product)
    tags = {THRESHOLD_TAG: "0.5", VIEW_TAG: sampled.product.view.digest}
    bento = product_bento(sampled, home.settings.bentos, version=1)
    home.register(sampled.model, tags={**tags, BENTO_TAG: bento.tag})
    home.register(sampled.model.with_calibrator(SigmoidCalibrator(slope=0.5, intercept=0.0)), tags=tags)
    home.release(1)
    return home


def with_the_first_released(home: Home, root: Path) -> Home:
    """A copy of its own, whatever another test released since."""
    copied = home.copy(root)
    standing = ReleaseControl.of(copied.settings).standing(PRODUCT)
    assert standing is not None
    if standing.champion.version != 1:
        copied.release(1)
    return copied


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def start(home: Home, port: int, log: Path, *options: str) -> "subprocess.Popen[bytes]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    command = [sys.executable, "-m", "mlops_assets.cli", "serve", PRODUCT, "--port", str(port), *options]
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            env={**environment, "MLOPS_HOME": str(home.root)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )


@pytest.fixture
def service(home: Home, tmp_path: Path) -> Iterator[tuple["subprocess.Popen[bytes]", httpx.Client]]:
    port = free_port()
    process = start(home, port, tmp_path / "log", "--workers", "2")
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            wait(lambda: client.get("/readyz").status_code == 200, START_SECONDS, tmp_path / "log")
            yield process, client
    finally:
        for left in children(process):
            left.kill()
        process.kill()
        process.wait()


def wait(holds: Callable[[], bool], seconds: float, log: Path, *, pause: float = 0.2) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if holds():
                return
        except httpx.TransportError:
            pass
        time.sleep(pause)
    raise AssertionError(log.read_text(errors="replace")[-3000:])


def children(process: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def test_the_service_follows_the_plan_without_a_restart_and_stops_with_all_its_children(
    home: Home, service: tuple["subprocess.Popen[bytes]", httpx.Client], tmp_path: Path
) -> None:
    process, client = service
    event = sampled_product(PRODUCT).events.head(1).to_dicts()[0]

    def versions() -> set[int]:
        """Of the workers that answer some connections of their own."""
        answers = [httpx.post(f"{client.base_url}/predict", json=event, timeout=60) for _ in range(20)]
        assert all(answer.status_code == 200 for answer in answers)
        return {answer.json()["version"] for answer in answers}

    wait(lambda: client.get("/model").json()["plan_sequence"] == 1, FOLLOW_SECONDS, tmp_path / "log")
    assert versions() == {1}
    running = {child.pid for child in children(process)}
    sequence = home.release(2).sequence
    wait(lambda: versions() == {2}, FOLLOW_SECONDS, tmp_path / "log")
    answer = client.get("/model").json()
    assert (answer["mode"], answer["plan_sequence"], answer["by"]) == ("blue_green", sequence, "ann")
    assert answer["follower"]["last_error"] is None
    assert {child.pid for child in children(process)} >= running - {process.pid}
    # That of the worker which follows last: the answers above may all have been the other's.
    followed = f'mlops_release_plan_sequence{{product="{PRODUCT}"}} {float(sequence)}'
    wait(lambda: followed in client.get("/metrics").text, FOLLOW_SECONDS, tmp_path / "log")
    started = children(process)
    process.send_signal(signal.SIGINT)
    process.wait(STOP_SECONDS)
    assert [child for child in started if child.is_running() and child.status() != "zombie"] == []


@pytest.mark.rehearsal
def test_the_port_is_free_again_when_the_command_was_killed(home: Home, tmp_path: Path) -> None:
    copied = with_the_first_released(home, tmp_path / "home")
    port = free_port()
    process = start(copied, port, tmp_path / "log")
    address = f"http://127.0.0.1:{port}/readyz"
    started: list[psutil.Process] = []
    try:
        wait(lambda: httpx.get(address, timeout=10).status_code == 200, START_SECONDS, tmp_path / "log")
        started = children(process)
        process.kill()
        process.wait()
        psutil.wait_procs(started, timeout=STOP_SECONDS)
        assert [child for child in started if child.is_running() and child.status() != "zombie"] == []
        with pytest.raises(httpx.ConnectError):
            httpx.get(address, timeout=10)
    finally:
        for left in [*started, *children(process)]:
            with suppress(psutil.NoSuchProcess):
                left.kill()
        process.kill()
        process.wait()


STARTED = {"server": "bentoml", "worker": "_bentoml_impl"}
"""What `mlops serve` starts, in this order, and a word of each one's command line."""


def of_home(home: Home) -> list[psutil.Process]:
    """Every process that serves from a home."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("MLOPS_HOME") == str(home.root):
                found.append(process)
    return found


def has_started(home: Home, word: str) -> bool:
    """Whether a process of the home has the word in its command line."""
    for process in of_home(home):
        with suppress(psutil.Error):
            if any(word in part for part in process.cmdline()[1:]):
                return True
    return False


@pytest.mark.rehearsal
def test_a_command_that_is_killed_as_it_starts_leaves_nothing_running(home: Home, tmp_path: Path) -> None:
    copied = with_the_first_released(home, tmp_path / "home")
    for word in STARTED.values():
        process = start(copied, free_port(), tmp_path / "log")
        try:
            is_there = partial(has_started, copied, word)
            wait(is_there, START_SECONDS, tmp_path / "log", pause=0.01)
            process.kill()
            process.wait()
            wait(lambda: not of_home(copied), STOP_SECONDS, tmp_path / "log")
        finally:
            process.kill()
            for left in of_home(copied):
                left.kill()


@pytest.mark.rehearsal
def test_workers_and_follower_end_with_a_server_that_is_killed(home: Home, tmp_path: Path) -> None:
    """Nobody guards a server that was not started by the platform."""
    copied = with_the_first_released(home, tmp_path / "home")
    bento = released_bento(copied.settings, PRODUCT)
    environment = service_variables(copied.settings)
    with served(bento, timeout_seconds=START_SECONDS, home=copied.root, environment=environment) as server:
        running = [*server.workers(), *server.followers()]
        assert len(running) == 2
        os.kill(server.pid, signal.SIGKILL)
        psutil.wait_procs(running, timeout=STOP_SECONDS)
        assert [one for one in running if one.is_running() and one.status() != "zombie"] == []


def test_a_taken_port_and_an_unreleased_product_are_said_at_once(home: Home, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        process = start(home, server.getsockname()[1], tmp_path / "log")
        assert process.wait(STOP_SECONDS) == 1
    assert "is taken" in (tmp_path / "log").read_text()
    empty = Home(tmp_path / "empty", home.product)
    process = start(empty, free_port(), tmp_path / "log")
    assert process.wait(STOP_SECONDS) == 1
    assert "or materialize its release" in (tmp_path / "log").read_text()


def test_a_champion_that_was_deleted_in_mlflow_is_served_on(home: Home, tmp_path: Path) -> None:
    copied = with_the_first_released(home, tmp_path / "home")
    bento = released_bento(copied.settings, PRODUCT)
    mlflow_client(copied.uri).delete_model_version(PRODUCT, "1")
    assert released_bento(copied.settings, PRODUCT) == bento
