"""A bounded load of requests, as a client would send them, and what it was answered."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import httpx

CONNECTIONS = 4
PER_SECOND = 60
TRIES = 20
"""How often an event is sent that got no answer; a client that gives up would hide a loss."""
TIMEOUT_SECONDS = 15.0
_PAUSE_SECONDS = 0.2


@dataclass(frozen=True)
class LoadAnswer:
    """What one event was told in the end."""

    event_id: int
    customer: int
    answered_at: float
    """On the monotonic clock."""
    status: int
    """HTTP status; 0 when no try got an answer."""
    tries: int
    version: int | None = None
    prediction_id: str | None = None
    message: str = ""
    """Of a refusal."""
    seconds: float = 0.0
    """From the first try to the answer."""

    @property
    def is_answered(self) -> bool:
        """Whether it got a score."""
        return self.status == httpx.codes.OK


class DrillLoad:
    """Sends one event after another over a few connections, at a bounded rate, while the block runs."""

    def __init__(
        self, url: str, events: Iterator[Mapping[str, object]], *, per_second: float = PER_SECOND
    ) -> None:
        self._url = url
        self._events = events
        self._interval = CONNECTIONS / per_second
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._answers: list[LoadAnswer] = []
        self._threads = [threading.Thread(target=self._send, name=f"load-{n}") for n in range(CONNECTIONS)]

    def __enter__(self) -> Self:
        """Start sending."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Send no more, and wait for the answers that are due."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def answers(self) -> list[LoadAnswer]:
        """What was answered so far, in the order of the answers."""
        with self._lock:
            return list(self._answers)

    def since(self, moment: float) -> list[LoadAnswer]:
        """What was answered at or after a moment of the monotonic clock."""
        return [answer for answer in self.answers if answer.answered_at >= moment]

    def wait_for(self, condition: Callable[[list[LoadAnswer]], bool], *, seconds: float) -> bool:
        """Go on until the answers meet the condition; False when they do not within `seconds`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if condition(self.answers):
                return True
            time.sleep(_PAUSE_SECONDS)
        return condition(self.answers)

    def _send(self) -> None:
        with httpx.Client(base_url=self._url, timeout=TIMEOUT_SECONDS) as client:
            due = time.monotonic()
            while not self._stop.is_set():
                with self._lock:
                    event = next(self._events)
                answer = self._ask(client, event)
                with self._lock:
                    self._answers.append(answer)
                due += self._interval
                time.sleep(max(0.0, due - time.monotonic()))
                due = max(due, time.monotonic() - self._interval)

    def _ask(self, client: httpx.Client, event: Mapping[str, object]) -> LoadAnswer:
        said, began = "", time.monotonic()
        for number in range(1, TRIES + 1):
            try:
                response = client.post("/predict", json=event)
            except httpx.TransportError as error:
                said = repr(error)
                time.sleep(_PAUSE_SECONDS)
                continue
            return _read(response, event, tries=number, began=began)
        return LoadAnswer(
            _number(event, "transaction_id"),
            _number(event, "customer_id"),
            time.monotonic(),
            0,
            TRIES,
            message=said,
            seconds=time.monotonic() - began,
        )


def _read(response: httpx.Response, event: Mapping[str, object], *, tries: int, began: float) -> LoadAnswer:
    identity = _number(event, "transaction_id"), _number(event, "customer_id")
    content: dict[str, Any]
    try:
        content = response.json()
    except ValueError:
        content = {"message": response.text[:200]}
    return LoadAnswer(
        *identity,
        answered_at=time.monotonic(),
        status=response.status_code,
        tries=tries,
        version=content.get("version"),
        prediction_id=content.get("prediction_id"),
        message=str(content.get("message", "")),
        seconds=time.monotonic() - began,
    )


def _number(event: Mapping[str, object], name: str) -> int:
    return int(str(event[name]))
