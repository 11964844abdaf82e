"""A bento with API keys: served on loopback unless told otherwise, closed without one, and keys change meanwhile."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psutil
import pytest

from mlops_assets.core.bento.server import served_environment
from mlops_assets.core.runtime.guard import guarded
from mlops_assets.core.serving.api_keys import ApiKeys
from mlops_assets_tests.support.homes.served_product import bento_of

NOW = datetime(2026, 1, 2, tzinfo=UTC)
PRODUCT = "mortality_risk"
MARK = "SERVED_BY_TEST"


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, ApiKeys, str]:
    content, key = ApiKeys().with_new("billing", secret=b"1" * 32, salt=b"1" * 16, now=NOW)
    content.write(tmp_path / "keys.json")
    return tmp_path / "keys.json", content, key


@pytest.fixture
def port(keys: tuple[Path, ApiKeys, str], bentoml_home: Path, tmp_path: Path) -> Iterator[int]:
    """The port of `bentoml serve` as the documentation has it: no host is named."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        number = probe.getsockname()[1]
    bento = bento_of(PRODUCT, bentoml_home)
    environment = {
        **served_environment(bento, tmp_path, workers=1),
        "MLOPS_HOME": str(tmp_path / "home"),
        "MLOPS_API_KEYS": str(keys[0]),
        MARK: str(tmp_path),
    }
    command = [sys.executable, "-m", "bentoml", "serve", bento.tag, "--port", str(number)]
    with guarded(MARK, str(tmp_path)), (tmp_path / "log").open("wb") as log:
        subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                if httpx.get(f"http://127.0.0.1:{number}/readyz").status_code == 200:
                    break
            time.sleep(0.1)
        yield number


def listening(port: int) -> set[str]:
    connections = psutil.net_connections("tcp")
    return {one.laddr[0] for one in connections if one.status == psutil.CONN_LISTEN and one.laddr[1] == port}


def test_it_is_on_loopback_and_asks_for_a_key(
    port: int, keys: tuple[Path, ApiKeys, str], tmp_path: Path
) -> None:
    file, content, key = keys
    assert listening(port) == {"127.0.0.1"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        refused = client.post("/predict", json={})
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert refused.json() == {
            "message": "an API key is needed: send it as `Authorization: Bearer KEY`",
            "problems": [],
        }
        closed = ("/model", "/docs.json", "/metrics", "/v2", "/nowhere", "/schema.json")
        assert {path: client.get(path).status_code for path in closed} == dict.fromkeys(closed, 401)
        opened = ("/livez", "/readyz", "/v2/health/live", "/v2/health/ready")
        assert {path: client.get(path).status_code for path in opened} == dict.fromkeys(opened, 200)
        assert "API key" in client.get("/").text
        bearer = {"Authorization": f"Bearer {key}"}
        assert client.get("/model", headers=bearer).json()["access"] == "api_key"
        assert 'status="401"' in client.get("/metrics", headers=bearer).text
        content.without("billing", now=NOW).write(file)
        deadline = time.monotonic() + 10
        while client.get("/model", headers=bearer).status_code == 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert client.get("/model", headers=bearer).status_code == 401
    assert key not in (tmp_path / "log").read_text(errors="replace")
    assert os.environ.get("MLOPS_API_KEYS") is None
