"""What an attacker sends, and how much of it a server dealt with as it should."""

import contextlib
import itertools
import json
import resource
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import httpx
import polars as pl

from mlops_assets.commands.drill.home import PRODUCT
from mlops_assets.commands.drill.stage import Stage
from mlops_assets.core.features.online.states import build_states
from mlops_assets.core.online_store.protocol import StateChange
from serving.limits import BODY_SECONDS, HEAD_SECONDS, MAXIMUM_EVENTS, MAXIMUM_HEAD

OUTPUTS, HISTORY_ROWS, PATHS, IDLE, HALVES, SLOW, CUT_OFF = 35_000, 21_000, 5_000, 2_000, 200, 50, 20
LONG_HEAD_BYTES = 200_000_000
AT_ONCE = 4
"""Connections over which bodies come at the same time."""
SLACK_SECONDS = 5.0
"""By which a busy machine may be later than its limits."""
TIMEOUT_SECONDS = 60.0
_INFER = f"/v2/models/{PRODUCT}/infer"
_FORMS = ({"message", "problems"}, {"error", "problems"})
_HEAD = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
_FIRST_ID = 2 * 10**15
_IDS = itertools.count(3 * 10**15)


@dataclass(frozen=True)
class Blow:
    """How much was sent, and how much of it was dealt with as it should be."""

    planned: int
    felt: int
    words: str


def _events(stage: Stage, count: int) -> list[dict[str, object]]:
    """Events under ids of their own; those of the stage belong to its load, which takes them meanwhile."""
    return [
        {**event, "transaction_id": next(_IDS)} for event in itertools.islice(stage.home.requests(), count)
    ]


def many_outputs(stage: Stage) -> Blow:
    """Name one output many times."""
    body = json.dumps({"inputs": [], "outputs": [{"name": "score"}] * OUTPUTS}).encode()
    answers = [_post(stage, _INFER, body) for _ in range(5)]
    return Blow(
        len(answers),
        sum(one.status_code == 413 and len(one.content) < 1000 for one in answers),
        "refused with 413",
    )


def long_history(stage: Stage) -> Blow:
    """Ask for many events of an entity with a long history."""
    now = datetime.now(UTC).replace(microsecond=0)
    entity = int(now.timestamp())
    _load_history(stage, entity, until=now)
    (event,) = _events(stage, 1)
    events = [
        {
            **event,
            "transaction_id": _FIRST_ID + entity * MAXIMUM_EVENTS + number,
            "customer_id": entity,
            "terminal_id": entity,
            **dict.fromkeys(
                ("event_timestamp", "known_at"), (now + timedelta(milliseconds=number)).isoformat()
            ),
        }
        for number in range(MAXIMUM_EVENTS)
    ]
    answer = _post(stage, "/predict", json.dumps(events).encode())
    is_whole = answer.status_code == 200 and len(answer.json()) == MAXIMUM_EVENTS
    is_given_up = answer.status_code == 503 and "send fewer" in answer.text
    return Blow(1, int(is_whole or is_given_up), f"answered with {answer.status_code}")


def _load_history(stage: Stage, entity: int, *, until: datetime) -> None:
    """Give the store an entity that has many rows."""
    home = stage.home
    number = pl.int_range(HISTORY_ROWS)
    at = pl.lit(until) - pl.duration(seconds=(HISTORY_ROWS - number) * 100)
    columns = {
        "transaction_id": number + _FIRST_ID,
        "customer_id": pl.lit(entity),
        "terminal_id": pl.lit(entity),
        "event_timestamp": at,
        "known_at": at,
        "amount_usd": (number % 100 + 1).cast(pl.Float64),
    }
    schema = home.events.schema
    rows = pl.select(number.alias("row")).select(
        (columns[name] if name in columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in schema.items()
    )
    view, store = home.product.view, home.store()
    try:
        states = build_states(view, rows, home.labels.head(0).select(view.label_columns), as_of=until)
        for key, content in states:
            if f"={entity}@" in key:
                store.commit([StateChange(key, store.read([key])[0].version, content)], [])
    finally:
        store.close()


def costly_bodies(stage: Stage) -> Blow:
    """Send bodies that make many objects, long searches or many faults."""
    (event,) = _events(stage, 1)
    bodies = [
        b"[" + b"1," * 500_000 + b"1]",
        b"[" * 1_000_000,
        b"[" + b",".join([b"{}"] * MAXIMUM_EVENTS) + b"]",
        json.dumps({f"k{number}": 1 for number in range(13_000)}).encode(),
        json.dumps([{**event, "amount_usd": "x" * 900}] * MAXIMUM_EVENTS).encode(),
        b'{"event_timestamp":":00.000000' + b"0" * 900_000 + b'\\n"}',
    ]
    asked = [(path, body) for body in bodies for path in ("/predict", "/explain", _INFER)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda one: _post(stage, *one), asked))
    return Blow(len(answers), sum(map(_is_documented, answers)), "refused as documented")


def broken_bytes(stage: Stage) -> Blow:
    """Send what is no JSON, no UTF-8 and no number."""
    event = json.dumps(_events(stage, 1)[0]).encode()
    odd = (b"\xff", b'"\\ud800"', b"NaN", b"1e999", b"9" * 5000, b"\x00", b'{"a":1,"a":2}')
    bodies = [*odd, *(event[:-1] + b',"amount_usd":' + one + b"}" for one in odd)]
    lengths = ("-1", "1e3", "9" * 4000, "\u00b2")
    before = stage.metric("mlops_requests_total")
    answers = [_post(stage, path, body) for path in ("/predict", "/explain", _INFER) for body in bodies]
    answers += [
        _post(stage, _INFER, event, {"inference-header-content-length": length.encode("latin-1")})
        for length in lengths
    ]
    counted = stage.metric("mlops_requests_total") - before
    felt = sum(map(_is_documented, answers))
    return Blow(
        len(answers), felt if counted >= len(answers) else 0, f"refused as documented, {counted:.0f} counted"
    )


def cut_off(stage: Stage) -> Blow:
    """Send events whose declared length their bodies never reach."""
    events, before = _events(stage, CUT_OFF), _refused_bodies(stage)
    for event in events:
        body = json.dumps(event).encode()
        with _connected(stage) as connection:
            connection.sendall(_HEAD + f"content-length: {len(body) + 1}\r\n\r\n".encode() + body)
    deadline = time.monotonic() + SLACK_SECONDS
    while (refused := _refused_bodies(stage) - before) < CUT_OFF and time.monotonic() < deadline:
        time.sleep(0.1)
    ids = {event["transaction_id"] for event in events}
    scored = sum(record.event_id in ids for record in stage.home.captured())
    return Blow(CUT_OFF, refused - scored, f"counted as refused, {scored} scored")


def _refused_bodies(stage: Stage) -> int:
    """How many requests to /predict were answered with 400 so far."""
    lines = httpx.get(f"{stage.url}/metrics", timeout=TIMEOUT_SECONDS).text.splitlines()
    counted = (
        line for line in lines if line.startswith("mlops_requests_total{") and 'endpoint="/predict"' in line
    )
    return sum(int(float(line.rsplit(" ", 1)[1])) for line in counted if 'status="400"' in line)


def unknown_paths(stage: Stage) -> Blow:
    """Ask for paths that nobody knows, each another one."""
    before = _labels(stage)
    with httpx.Client(base_url=stage.url, timeout=TIMEOUT_SECONDS) as client:
        felt = sum(client.get(f"/unknown/{number}").status_code == 404 for number in range(PATHS))
    began = time.monotonic()
    more = _labels(stage) - before
    seconds = time.monotonic() - began
    words = f"answered with 404; GET /metrics took {seconds:.2f} s and has {more} lines more"
    return Blow(PATHS, felt if more < 100 else 0, words)


def _labels(stage: Stage) -> int:
    return len(httpx.get(f"{stage.url}/metrics", timeout=TIMEOUT_SECONDS).text.splitlines())


def long_head(stage: Stage) -> Blow:
    """Send a head without end."""
    sent, piece = 0, b"x" * 65_536
    with _connected(stage) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nhost: x\r\nlong: ")
        with contextlib.suppress(ConnectionError):
            while sent < LONG_HEAD_BYTES:
                connection.sendall(piece)
                sent += len(piece)
    return Blow(
        1, int(sent < 500 * MAXIMUM_HEAD), f"cut off, after {sent / 2**20:.1f} MiB that the network held too"
    )


def half_heads(stage: Stage) -> Blow:
    """Send heads by half, and wait."""
    return _waiting(stage, HALVES, b"GET /livez HTTP/1.1\r\nhost: x\r\n", seconds=HEAD_SECONDS)


def half_bodies(stage: Stage) -> Blow:
    """Send bodies by half, and wait."""
    return _waiting(
        stage, HALVES, _HEAD + b"content-length: 500000\r\n\r\n" + b"x" * 2000, seconds=BODY_SECONDS
    )


def slow_bodies(stage: Stage) -> Blow:
    """Send bodies a byte at a time."""
    return _waiting(stage, SLOW, _HEAD + b"content-length: 500\r\n\r\n", seconds=BODY_SECONDS, trickle=b"x")


def idle(stage: Stage) -> Blow:
    """Open connections, and ask for nothing."""
    return _waiting(stage, IDLE, b"", seconds=HEAD_SECONDS, status=b"")


def _waiting(
    stage: Stage, count: int, sent: bytes, *, seconds: float, status: bytes = b"408", trickle: bytes = b""
) -> Blow:
    """Hold connections open until the server closes them; count those that it closed in time, with this answer."""
    with contextlib.ExitStack() as opened, _files(2 * count + 200):
        connections = []
        for _ in range(count):
            connection = opened.enter_context(_connected(stage))
            connection.setblocking(True)
            with contextlib.suppress(ConnectionError):
                connection.sendall(sent)
            connections.append(connection)
        deadline = time.monotonic() + seconds + SLACK_SECONDS
        closed = list(_closed(connections, deadline=deadline, trickle=trickle))
    felt = sum(answer[9:12] == status for answer in closed)
    told = f"with {status.decode()}" if status else "without a word"
    return Blow(count, felt, f"closed within {seconds:.0f} s and a little, {told}")


def _closed(connections: Sequence[socket.socket], *, deadline: float, trickle: bytes) -> Iterator[bytes]:
    """Yield what each connection was told before the server closed it; those that it leaves open are left out."""
    waiting: Mapping[socket.socket, bytearray] = {connection: bytearray() for connection in connections}
    for connection in waiting:
        connection.setblocking(False)
    while waiting and time.monotonic() < deadline:
        left = {}
        for connection, told in waiting.items():
            if _is_closed(connection, told, trickle):
                yield bytes(told)
            else:
                left[connection] = told
        waiting = left
        time.sleep(0.2)


def _is_closed(connection: socket.socket, told: bytearray, trickle: bytes) -> bool:
    try:
        while piece := connection.recv(4096):
            told += piece
    except BlockingIOError:
        if trickle and not told:
            with contextlib.suppress(OSError):
                connection.send(trickle)
        return False
    except ConnectionError:
        pass
    return True


@contextlib.contextmanager
def _files(count: int) -> Iterator[None]:
    """Let this process open so many files while the block runs, as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _connected(stage: Stage) -> socket.socket:
    address = urlsplit(stage.url)
    return socket.create_connection((address.hostname or "", address.port or 80), timeout=TIMEOUT_SECONDS)


def _post(stage: Stage, path: str, body: bytes, headers: Mapping[str, bytes] | None = None) -> httpx.Response:
    own = [
        (b"content-type", b"application/json"),
        *((name.encode(), value) for name, value in (headers or {}).items()),
    ]
    return httpx.post(f"{stage.url}{path}", content=body, headers=own, timeout=TIMEOUT_SECONDS)


def _is_documented(answer: httpx.Response) -> bool:
    try:
        return 400 <= answer.status_code < 500 and set(answer.json()) in _FORMS
    except ValueError:
        return False
