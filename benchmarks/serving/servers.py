"""The servers of benchmarks/serving: how each is started on one core, asked, and what its answer says."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import psutil

from benchmarks.serving.setup import Served
from mlops_assets.core.bento.server import running_server, served_environment

SERVER_CORE, LOAD_CORE = 0, 1
START_SECONDS = 180.0
PEERS_PYTHON = Path(".venv-peers-mlserver/bin/python")
_MARK = "SERVING_BENCHMARK_SERVER"


@dataclass
class Contender:
    """A running server."""

    name: str
    port: int
    path: str
    bodies: Sequence[str]
    """Requests; empty when the load makes its own events."""
    score: Callable[[httpx.Response], float] = field(repr=False)


@contextlib.contextmanager
def ours(served: Served, folder: Path) -> Iterator[Contender]:
    """Serve the bento, with everything on."""
    port = _free_port()
    folder.mkdir()
    environment = {
        **served_environment(served.bento, folder, workers=1),
        "OMP_NUM_THREADS": "1",
        "MLOPS_HOME": str(served.store_folder.parent),
    }
    with running_server(
        served.bento, port=port, folder=str(folder), log=(folder / "log").open("w+b"), environment=environment
    ) as process:
        psutil.Process(process.pid).cpu_affinity([SERVER_CORE])
        _wait(process, port, "/readyz", folder / "log")
        yield Contender("ours, everything on", port, "/predict", (), lambda answer: answer.json()["score"])


@contextlib.contextmanager
def peer(name: str, served: Served, folder: Path) -> Iterator[Contender]:
    """Start one of PEERS."""
    folder.mkdir()
    booster = folder / "booster.txt"
    booster.write_text(served.model.booster_text)
    rows = [[None if np.isnan(value) else value for value in row] for row in served.vectors.tolist()]
    port = _free_port()
    command, environment, health = PEERS[name](served, folder, port)
    process = subprocess.Popen(
        command,
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "BOOSTER": str(booster),
            _MARK: str(folder),
            **environment,
        },
        stdout=(folder / "log").open("wb"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        psutil.Process(process.pid).cpu_affinity([SERVER_CORE])
        _wait(process, port, health, folder / "log")
        path, body, score = _FORMS.get(name, _ROW)
        yield Contender(name, port, path, [body(row) for row in rows], score)
    finally:
        _stop(process, folder)


def _mlserver(served: Served, folder: Path, port: int) -> tuple[list[str], dict[str, str], str]:
    if not PEERS_PYTHON.is_file():
        raise SystemExit(f"{PEERS_PYTHON} is missing: run make peers-mlserver")
    settings = {
        "debug": False,  # its default is a debug mode, which costs time
        "http_port": port,
        "grpc_port": _free_port(),
        "metrics_port": _free_port(),
        "host": "127.0.0.1",
        "parallel_workers": 0,
    }
    model = {
        "name": "booster",
        "implementation": "mlserver_lightgbm.LightGBMModel",
        "parameters": {"uri": str(folder / "booster.txt")},
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps(model))
    program = PEERS_PYTHON.absolute().with_name("mlserver")
    return [str(program), "start", str(folder)], {}, "/v2/models/booster/ready"


def _mlflow(served: Served, folder: Path, port: int) -> tuple[list[str], dict[str, str], str]:
    import lightgbm
    from mlflow.lightgbm import save_model

    save_model(lightgbm.Booster(model_str=served.model.booster_text), str(folder / "model"))
    command = [*(sys.executable, "-m", "mlflow", "models", "serve", "-m", str(folder / "model"))]
    command += [*("--env-manager", "local", "--host", "127.0.0.1", "--port", str(port), "--workers", "1")]
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # it looks for uvicorn there
    return command, {"PATH": programs, "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}"}, "/ping"


def _uvicorn(factory: str) -> "Callable[[Served, Path, int], tuple[list[str], dict[str, str], str]]":
    def start(served: Served, folder: Path, port: int) -> tuple[list[str], dict[str, str], str]:
        app = f"benchmarks.serving.peers:{factory}"
        options = ["--factory", "--host", "127.0.0.1", "--port", str(port), "--no-access-log"]
        return [sys.executable, "-m", "uvicorn", app, *options], {}, "/predict"

    return start


def _bentoml(served: Served, folder: Path, port: int) -> tuple[list[str], dict[str, str], str]:
    command = [*(sys.executable, "-m", "bentoml", "serve", "benchmarks.serving.peers:Plain")]
    home = {"BENTOML_HOME": str(folder), "BENTOML_DO_NOT_TRACK": "true"}
    return [*command, "--host", "127.0.0.1", "--port", str(port)], home, "/readyz"


PEERS = {
    "mlserver": _mlserver,
    "mlflow": _mlflow,
    "fastapi": _uvicorn("fastapi_app"),
    "starlette": _uvicorn("starlette_app"),
    "bentoml_api": _bentoml,
}
_Form = tuple[str, Callable[[list[float | None]], str], Callable[[httpx.Response], float]]
_ROW: _Form = ("/predict", lambda row: json.dumps({"row": row}), lambda answer: answer.json()["score"])


def _mlserver_body(row: list[float | None]) -> str:
    # MLServer's JSON takes no null; NaN is how its codec carries a missing value.
    tensor = {"name": "row", "shape": [1, len(row)], "datatype": "FP64", "data": [_number(v) for v in row]}
    return json.dumps({"inputs": [tensor]})


def _number(value: float | None) -> float:
    return 0.0 if value is None else value


_FORMS: Mapping[str, _Form] = {
    "mlserver": (
        "/v2/models/booster/infer",
        _mlserver_body,
        lambda answer: answer.json()["outputs"][0]["data"][0],
    ),
    "mlflow": (
        "/invocations",
        lambda row: json.dumps({"inputs": [[_number(value) for value in row]]}),
        lambda answer: answer.json()["predictions"][0],
    ),
    "bentoml_api": ("/predict", lambda row: json.dumps({"row": row}), lambda answer: float(answer.text)),
}


def _wait(process: "subprocess.Popen[bytes]", port: int, path: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"http://127.0.0.1:{port}{path}", timeout=2.0).status_code < 500:
                return
        time.sleep(0.2)
    raise SystemExit(f"a server did not start:\n{log.read_text(errors='replace')[-2000:]}")


def _stop(process: "subprocess.Popen[bytes]", folder: Path) -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    for left in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if left.environ().get(_MARK) == str(folder):
                left.kill()
    process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
