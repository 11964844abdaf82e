"""The door to MLflow: quiet, and leaving nothing behind."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.registry.mlflow_client import (
    answering_registry,
    give_up_soon,
    mlflow_globals,
    require_server,
)


def test_mlflow_says_nothing_while_it_sets_up_a_new_database(tmp_path: Path) -> None:
    code = (
        "from mlops_assets.core.registry.mlflow_client import mlflow_client;"
        f"mlflow_client('sqlite:///{tmp_path}/new.db').create_experiment('x')"
    )
    child = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert child.stdout + child.stderr == ""


def test_what_mlflow_exports_is_as_before_when_the_block_ends(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mine")
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    with mlflow_globals(f"sqlite:///{tmp_path}/a.db"):
        os.environ["MLFLOW_RUN_ID"] = "leaked"
        assert os.environ["MLFLOW_TRACKING_URI"] == f"sqlite:///{tmp_path}/a.db"
    assert os.environ["MLFLOW_TRACKING_URI"] == "http://mine"
    assert "MLFLOW_RUN_ID" not in os.environ


def test_patience_that_the_environment_sets_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "9")
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT", raising=False)
    give_up_soon()
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "9"
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "10"


def test_a_registry_that_does_not_answer_is_an_error_of_the_platform_without_its_password() -> None:
    with (
        pytest.raises(RegistryError, match="does not answer") as caught,
        answering_registry("postgresql://me:hunter2@host/mlflow"),
    ):
        raise ConnectionRefusedError("refused by postgresql://me:hunter2@host")
    assert "hunter2" not in str(caught.value)


@contextmanager
def answering(status: int) -> Iterator[tuple[int, list[str | None]]]:
    """A server that answers every request with this status; yields its port, and who asked, as they said."""
    asked: list[str | None] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers["Authorization"])
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], asked
        server.shutdown()


@pytest.mark.parametrize("status", [200, 401, 404, 503])
def test_a_server_is_there_whatever_it_answers_and_is_told_no_password(status: int) -> None:
    with answering(status) as (port, asked):
        require_server(f"http://ann:hunter2@127.0.0.1:{port}/mlflow/")
        assert asked == [None]


def test_a_server_that_is_not_there_is_told_without_its_password() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listens
        with pytest.raises(RegistryError, match="does not answer") as caught:
            require_server(f"http://ann:hunter2@127.0.0.1:{taken.getsockname()[1]}")
    assert "hunter2" not in str(caught.value)
    require_server("postgresql://nowhere/mlflow")
