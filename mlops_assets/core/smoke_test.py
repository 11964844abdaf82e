"""Starts a bento in a process of its own and compares its answers to golden requests with the offline scores.

What must not live here: building (`packaging`) and the decision to release (`model_version`, `release_plan`).
"""

import contextlib
import math
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx
import polars as pl
import psutil

from mlops_assets.core.errors import PackagingError
from mlops_assets.core.model import TrainedModel, feature_matrix
from mlops_assets.core.packaging import BuiltBento, bento_environment

STOP_SECONDS = 10.0
_POLL_SECONDS = 0.1
_FOLDER_VARIABLE = "SERVED_BENTO_FOLDER"
"""Marks every process of one served bento with its own temporary folder."""
_FAILED_START = ("Application startup failed", "Traceback (most recent call last)")


@dataclass(frozen=True)
class GoldenRequests:
    """Feature vectors and the scores that the model gave them offline."""

    rows: tuple[dict[str, float | None], ...]
    scores: tuple[float, ...]


@dataclass(frozen=True)
class ServedBento:
    """A bento that answers."""

    url: str
    seconds_to_ready: float


@dataclass(frozen=True)
class SmokeResult:
    """What a bento answered; made only when every answer was right."""

    requests: int
    seconds_to_ready: float
    max_abs_difference: float
    """Of served and offline scores: 0, since JSON keeps every double and both use the same code."""


def golden_requests(model: TrainedModel, frame: pl.DataFrame, *, maximum_rows: int = 100) -> GoldenRequests:
    """Take the first rows of `frame` as golden requests, at most `maximum_rows`; null stays null.

    Raises: PackagingError when there is no row; FeatureError when a feature is missing or not finite.
    """
    chosen = frame.head(maximum_rows)
    if chosen.is_empty():
        raise PackagingError("a golden request needs at least one row, but the frame has none")
    matrix = feature_matrix(chosen, model.feature_names)
    rows = tuple(
        {
            name: None if math.isnan(value) else value  # NaN stands for null in the matrix
            for name, value in zip(model.feature_names, vector, strict=True)
        }
        for vector in matrix.tolist()
    )
    return GoldenRequests(rows=rows, scores=tuple(model.predict_matrix(matrix).tolist()))


def smoke_test(bento: BuiltBento, golden: GoldenRequests, *, timeout_seconds: float = 120.0) -> SmokeResult:
    """Serve `bento` on a free loopback port, ask the golden requests in one call and compare, exactly.

    Raises: PackagingError with the end of the server's log when it does not become ready in time, dies, or
    answers anything but the offline scores.
    """
    with served(bento, timeout_seconds=timeout_seconds) as server:
        answers = _ask(golden, server, timeout_seconds=timeout_seconds)
    wrong = [
        index for index, pair in enumerate(zip(answers, golden.scores, strict=True)) if pair[0] != pair[1]
    ]
    if wrong:  # not by subtraction: an answer may be null
        raise PackagingError(
            f"bento {bento.tag} answers {answers[wrong[0]]!r} to golden request {wrong[0]}, offline it is "
            f"{golden.scores[wrong[0]]!r}; {len(wrong)} of {len(answers)} differ"
        )
    largest = max(abs(answer - score) for answer, score in zip(answers, golden.scores, strict=True))
    return SmokeResult(len(answers), server.seconds_to_ready, largest)


@contextlib.contextmanager
def served(bento: BuiltBento, *, timeout_seconds: float) -> Iterator[ServedBento]:
    """Serve `bento` on a free loopback port while the block runs, outside the checkout and in its own process
    group.

    Raises: PackagingError with the end of the server's log when it is not ready within `timeout_seconds`, or
    when the block raises one.
    """
    with tempfile.TemporaryDirectory(prefix="serve-") as folder, (Path(folder) / "log").open("w+b") as log:
        port = _free_port()
        started = time.monotonic()
        process = _start(bento, port=port, folder=folder, log=log)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_ready(process, url, deadline=started + timeout_seconds, log=log)
            yield ServedBento(url, time.monotonic() - started)
        except PackagingError as error:
            raise PackagingError(f"bento {bento.tag}: {error}; the end of its log:\n{_tail(log)}") from error
        finally:
            _stop(process, folder)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _start(bento: BuiltBento, *, port: int, folder: str, log: IO[bytes]) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "bentoml",
        "serve",
        bento.tag,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    return subprocess.Popen(
        command,
        env={**bento_environment(bento.bentoml_home), _FOLDER_VARIABLE: folder},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # an interrupt at the terminal reaches the caller, which stops the server
    )


def _wait_until_ready(
    process: "subprocess.Popen[bytes]", url: str, *, deadline: float, log: IO[bytes]
) -> None:
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise PackagingError(f"the server ended with code {process.returncode} before it was ready")
        if any(sign in _tail(log) for sign in _FAILED_START):
            raise PackagingError("the server failed to start")
        try:
            if httpx.get(f"{url}/readyz", timeout=1.0).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass  # not listening yet
        time.sleep(_POLL_SECONDS)
    raise PackagingError("the server was not ready in time")


def _ask(golden: GoldenRequests, server: ServedBento, *, timeout_seconds: float) -> list[float]:
    try:
        answer = httpx.post(f"{server.url}/score", json={"rows": golden.rows}, timeout=timeout_seconds)
    except httpx.HTTPError as error:
        raise PackagingError(f"the golden request got no answer: {error!r}") from error
    if answer.status_code != httpx.codes.OK:
        raise PackagingError(f"the golden request got {answer.status_code}: {answer.text[:500]}")
    answers = answer.json()["probabilities"]
    if len(answers) != len(golden.scores):
        raise PackagingError(f"{len(golden.scores)} golden requests got {len(answers)} answers")
    return answers


def _stop(process: "subprocess.Popen[bytes]", folder: str) -> None:
    """Ask the server to end with its workers, then kill what is left of them.

    Workers live in sessions of their own, and outlive a server that dies: they are found by the environment
    variable that they inherited.
    """
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    for left in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if left.environ().get(_FOLDER_VARIABLE) == folder:
                left.kill()
    process.wait()


def _tail(log: IO[bytes], length: int = 4000) -> str:
    log.flush()
    size = os.fstat(log.fileno()).st_size
    return os.pread(log.fileno(), length, max(0, size - length)).decode(errors="replace")
