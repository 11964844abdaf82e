"""The load probe: every answer is compared, and the slowest of a hundred is in time; against a real HTTP server."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mlops_assets.core.bento.golden_requests import GoldenRequests
from mlops_assets.core.bento.load_probe import CONNECTIONS, probe_under_load
from mlops_assets.core.errors import PackagingError

GOLDEN = GoldenRequests("shop", tuple({"id": n} for n in range(5)), (), ((),) * 5, (0.1, 0.2, 0.3, 0.4, 0.5))


@contextmanager
def answering(*, status: int = 200, wrong: int | None = None, seconds: float = 0.0) -> Iterator[str]:
    """A server that scores events of GOLDEN, one of them wrongly."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            number = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["id"]
            time.sleep(seconds)
            body = json.dumps({"score": 0.9 if number == wrong else GOLDEN.scores[number]}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_right_answers_in_time_are_counted_and_timed() -> None:
    with answering(seconds=0.01) as url:
        probe = probe_under_load(url, GOLDEN, maximum_p99_ms=10_000, seconds=0.3)
    assert probe.requests >= CONNECTIONS
    assert 10 <= probe.p50_ms <= probe.p99_ms
    assert probe.requests_per_second <= CONNECTIONS / 0.01


def test_slow_answers_name_the_declared_limit() -> None:
    with answering(seconds=0.05) as url, pytest.raises(PackagingError, match=r"maximum_p99_ms is 20"):
        probe_under_load(url, GOLDEN, maximum_p99_ms=20, seconds=0.2)


def test_one_wrong_score_among_right_ones_is_named_with_its_request() -> None:
    expected = r"golden request 3 got score 0\.9 under load, offline it is 0\.4"
    with answering(wrong=3) as url, pytest.raises(PackagingError, match=expected):
        probe_under_load(url, GOLDEN, maximum_p99_ms=10_000, seconds=0.3)


def test_another_status_and_no_answer_at_all_fail() -> None:
    with answering(status=503) as url, pytest.raises(PackagingError, match="got 503"):
        probe_under_load(url, GOLDEN, maximum_p99_ms=10_000, seconds=0.001)
    with pytest.raises(PackagingError, match="got no answer"):
        probe_under_load(url, GOLDEN, maximum_p99_ms=10_000, seconds=0.2)
