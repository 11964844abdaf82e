"""A drill's load: every event is sent until it has an answer, at a bounded rate; against a real HTTP server."""

import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mlops_assets.commands.drill import load as module
from mlops_assets.commands.drill.load import DrillLoad


class Service:
    """Answers events; what `told` says about an event comes first, once per entry."""

    def __init__(self) -> None:
        self.asked: Counter[int] = Counter()
        self.told: dict[int, list[int | None]] = {}
        """Event to statuses; None breaks the connection."""
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                number = event["transaction_id"]
                service.asked[number] += 1
                status = service.told.get(number, []).pop(0) if service.told.get(number) else 200
                if status is None:
                    self.close_connection = True
                    return
                answer = (
                    {"version": 1, "prediction_id": f"v1-{number}"}
                    if status == 200
                    else {"message": "not now"}
                )
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr(module, "_PAUSE_SECONDS", 0.01)
    started = Service()
    yield started
    started.close()


def events() -> Iterator[dict[str, object]]:
    return ({"transaction_id": number, "customer_id": number % 3} for number in itertools.count())


def test_each_event_is_sent_once_and_told_what_the_service_said(service: Service) -> None:
    service.told = {2: [503]}
    with DrillLoad(service.url, events(), per_second=400) as load:
        assert load.wait_for(lambda answers: len(answers) >= 20, seconds=120)
    answers = {answer.event_id: answer for answer in load.answers}
    assert set(service.asked.values()) == {1}
    assert set(answers) == set(range(len(answers)))
    assert (answers[2].status, answers[2].is_answered, answers[2].message) == (503, False, "not now")
    assert (answers[4].is_answered, answers[4].version, answers[4].prediction_id) == (True, 1, "v1-4")
    assert answers[4].customer == 1


def test_an_event_that_got_no_answer_is_sent_again_until_it_has_one(service: Service) -> None:
    service.told = {0: [None, None]}
    with DrillLoad(service.url, events(), per_second=400) as load:
        assert load.wait_for(lambda answers: any(answer.event_id == 0 for answer in answers), seconds=120)
    (first,) = [answer for answer in load.answers if answer.event_id == 0]
    assert (first.is_answered, first.tries) == (True, 3)


def test_where_nobody_answers_it_gives_up_and_says_what_it_saw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(module, "TRIES", 3)
    with DrillLoad("http://127.0.0.1:1", events(), per_second=400) as load:
        assert load.wait_for(lambda answers: len(answers) >= 1, seconds=120)
    answer = load.answers[0]
    assert (answer.status, answer.tries) == (0, 3)
    assert "ConnectError" in answer.message


def test_the_rate_is_bounded_and_waiting_ends_when_it_is_told_to(service: Service) -> None:
    began = time.monotonic()
    with DrillLoad(service.url, events(), per_second=40) as load:
        assert load.wait_for(lambda answers: len(answers) >= 1, seconds=120)
        assert not load.wait_for(lambda answers: False, seconds=0.5)
        moment = load.answers[-1].answered_at
    assert len(load.answers) <= 40 * (time.monotonic() - began) + 3 * module.CONNECTIONS
    assert load.since(moment)[0].answered_at == moment
