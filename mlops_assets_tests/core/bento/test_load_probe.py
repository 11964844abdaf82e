"""The load probe: every answer is compared and timed, in turns with the champion's; against a real HTTP server."""

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


def test_right_answers_are_counted_and_timed_in_turns_with_the_champion() -> None:
    with answering(seconds=0.01) as url, answering(seconds=0.02) as champion_url:
        probe = probe_under_load(url, GOLDEN, champion_url=champion_url, turns=3, seconds=0.1)
    assert probe.requests >= 3 * CONNECTIONS
    assert 10 <= probe.p50_ms <= probe.p99_ms
    assert probe.requests_per_second <= CONNECTIONS / 0.01
    assert len(probe.p99_by_turn_ms) == len(probe.champion_p99_by_turn_ms) == 3
    assert min(probe.champion_p99_by_turn_ms) >= 20


def test_of_the_champion_only_the_time_counts_and_its_failure_ends_the_comparison() -> None:
    with answering() as url, answering(wrong=3) as champion_url:
        probe = probe_under_load(url, GOLDEN, champion_url=champion_url, turns=1, seconds=0.01)
    assert len(probe.champion_p99_by_turn_ms) == 1
    with answering() as url, answering(status=503) as champion_url:
        probe = probe_under_load(url, GOLDEN, champion_url=champion_url, turns=2, seconds=0.01)
    assert probe.champion_p99_by_turn_ms == ()
    assert "got 503" in probe.not_compared_because
    assert len(probe.p99_by_turn_ms) == 2


def test_one_wrong_score_among_right_ones_is_named_with_its_request() -> None:
    expected = r"golden request 3 got score 0\.9 under load, offline it is 0\.4"
    with answering(wrong=3) as url, pytest.raises(PackagingError, match=expected):
        probe_under_load(url, GOLDEN, seconds=0.3)


def test_another_status_and_no_answer_at_all_fail() -> None:
    with answering(status=503) as url, pytest.raises(PackagingError, match="got 503"):
        probe_under_load(url, GOLDEN, seconds=0.001)
    with pytest.raises(PackagingError, match="got no answer"):
        probe_under_load(url, GOLDEN, seconds=0.2)
