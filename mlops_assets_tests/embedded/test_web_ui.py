"""Dagster's UI is composed behind the guard, or not at all."""

import socket
from pathlib import Path

import dagster as dg
import pytest

from mlops_assets.core.errors import ConfigurationError
from mlops_assets.embedded import web_ui
from mlops_assets.embedded.browser_guard import BrowserGuard, loopback_hosts
from mlops_assets_tests.support.processes.asgi_server import ask, serving


@pytest.fixture
def workspace(tmp_path: Path) -> str:
    """A workspace without code locations."""
    file = tmp_path / "workspace.yaml"
    file.write_text("load_from: []\n")
    return str(file)


def test_it_is_dagsters_own_application(tmp_path: Path, workspace: str) -> None:
    with (
        dg.DagsterInstance.local_temp(str(tmp_path)) as instance,
        web_ui.dagster_ui(instance, workspace) as application,
        socket.create_server(("127.0.0.1", 0)) as sock,
    ):
        port = sock.getsockname()[1]
        with serving(BrowserGuard(application, hosts=loopback_hosts(port)), sock):
            assert ask(port, "GET", "/server_info", {}).json()["dagster_version"] == dg.__version__
            assert "__NEXT_DATA__" in ask(port, "GET", "/", {"Accept": "text/html"}).text


@pytest.mark.parametrize("missing", ["context.WorkspaceProcessContext", "load_target.WorkspaceFileTarget"])
def test_a_dagster_that_is_composed_otherwise_is_not_served_unguarded(
    missing: str, tmp_path: Path, workspace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(f"dagster._core.workspace.{missing}")
    with (
        dg.DagsterInstance.local_temp(str(tmp_path)) as instance,
        pytest.raises(ConfigurationError, match="cannot be guarded"),
        web_ui.dagster_ui(instance, workspace),
    ):
        pass
