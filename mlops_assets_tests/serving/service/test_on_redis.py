"""Two workers of a served bento on one real Redis, which goes away, hangs, and comes back."""

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from redis import Redis

from mlops_assets.commands.drill.load import DrillLoad
from mlops_assets.commands.drill.redis_server import RedisServer
from mlops_assets.commands.drill.stage import failed, missing_and_repeated
from mlops_assets.core.online_store.redis import TIMEOUT_SECONDS
from mlops_assets_tests.support.homes.served_product import Served, answering_process, serve
from serving.store_breaker import PAUSE_SECONDS

ANSWERS = 30
BACK_SECONDS = 120.0
FIRST_ID = itertools.count(70_000_000, 10_000)
AT = "2026-01-01T00:00:{:02}Z"


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"), ("--appendonly", "yes")).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def on_redis(
    redis: RedisServer, bentoml_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("on_redis")
    yield from serve(
        "fraud_detection", bentoml_home=bentoml_home, home=home, store_location=redis.url, workers=2
    )


@pytest.fixture
def workers(on_redis: Served) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """A client with an open connection to each of the two workers."""
    with contextlib.ExitStack() as opened:
        found: dict[int, httpx.Client] = {}
        deadline = time.monotonic() + BACK_SECONDS
        while len(found) < 2 and time.monotonic() < deadline:
            client = opened.enter_context(httpx.Client(base_url=on_redis.url, timeout=30))
            found.setdefault(answering_process(client), client)
        first, second = found.values()
        yield first, second


def new_events(served: Served) -> Iterator[Mapping[str, object]]:
    """New events of the golden events' entities, one per second on their own clock."""
    first = next(FIRST_ID)
    for number in itertools.count():
        at = f"2026-01-02T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z"
        golden = served.golden.events[number % len(served.golden.events)]
        yield {**golden, "transaction_id": first + number, "event_timestamp": at, "known_at": at}


def features(served: Served, event_id: object) -> dict[str, float | None]:
    record = next(one for one in served.captured() if one.event_id == event_id)
    return dict(zip(served.sampled.model.feature_names, record.features, strict=True))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + BACK_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not go on by itself"
        time.sleep(0.05)


def is_ready(served: Served) -> bool:
    """Over the connection that the service's client keeps, and new ones, so that any worker may answer."""
    answers = [
        served.client.get("/readyz"),
        *(httpx.get(f"{served.url}/readyz", timeout=30) for _ in range(6)),
    ]
    return all(answer.status_code == httpx.codes.OK for answer in answers)


def send_again(served: Served, refused: list[Mapping[str, object]]) -> None:
    """Every refused event gets its answer, and its record, whether it had been recorded or not."""
    answers = [served.predict(event) for event in refused]
    assert {answer.status_code for answer in answers} == {200}
    recorded = {record.prediction_id for record in served.captured()}
    assert {answer.json()["prediction_id"] for answer in answers} <= recorded


def remembered(
    events: Iterator[Mapping[str, object]], sent: dict[int, Mapping[str, object]]
) -> Iterator[Mapping[str, object]]:
    for event in events:
        sent[int(str(event["transaction_id"]))] = event
        yield event


def test_both_workers_answer_an_event_alike_and_see_each_others_events(
    on_redis: Served, workers: tuple[httpx.Client, httpx.Client]
) -> None:
    one, other = workers
    events = [
        on_redis.event(
            transaction_id=60_000_000 + number,
            customer_id=555_555,
            event_timestamp=AT.format(number),
            known_at=AT.format(number),
        )
        for number in range(3)
    ]
    first, again = one.post("/predict", json=events[0]), other.post("/predict", json=events[0])
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert other.post("/predict", json={**events[0], "amount_usd": 1.25}).status_code == 409
    assert other.post("/predict", json=events[1]).status_code == 200
    assert one.post("/predict", json=events[2]).status_code == 200
    counts = [
        features(on_redis, event["transaction_id"])["customer_transaction_count_1d"] for event in events
    ]
    assert counts == [1.0, 2.0, 3.0]
    assert on_redis.client.get("/model").json()["online_store"] == "redis"
    assert is_ready(on_redis)


def test_no_event_of_one_entity_is_lost_when_both_workers_take_them_at_the_same_time(
    on_redis: Served, workers: tuple[httpx.Client, httpx.Client]
) -> None:
    def event(number: int) -> dict[str, object]:
        at = AT.format(number)
        return on_redis.event(
            transaction_id=61_000_000 + number, customer_id=666_666, event_timestamp=at, known_at=at
        )

    statuses: list[int] = []

    def send(client: httpx.Client, numbers: range) -> None:
        statuses.extend(client.post("/predict", json=event(number)).status_code for number in numbers)

    threads = [
        threading.Thread(target=send, args=(client, range(start, 40, 2)))
        for start, client in enumerate(workers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 40
    last = event(59)
    assert on_redis.predict(last).status_code == 200
    assert features(on_redis, last["transaction_id"])["customer_transaction_count_1d"] == 41.0


def test_while_redis_is_away_requests_are_refused_and_nothing_acknowledged_is_lost(
    on_redis: Served, redis: RedisServer
) -> None:
    sent: dict[int, Mapping[str, object]] = {}
    with DrillLoad(on_redis.url, remembered(new_events(on_redis), sent)) as load:
        assert load.wait_for(lambda answers: len(answers) >= ANSWERS, seconds=BACK_SECONDS)
        redis.stop()
        assert load.wait_for(lambda answers: len(failed(answers)) >= ANSWERS, seconds=BACK_SECONDS)
        ready = [httpx.get(f"{on_redis.url}/readyz", timeout=10).status_code for _ in range(4)]
        redis.start()
        back = time.monotonic()
        assert load.wait_for(
            lambda _: sum(answer.is_answered for answer in load.since(back)) >= ANSWERS, seconds=BACK_SECONDS
        )
    refused = failed(load.answers)
    assert ready == [503] * 4
    assert {answer.status for answer in refused} == {503}
    assert all("the online store cannot serve this request now" in answer.message for answer in refused)
    assert missing_and_repeated(load.answers, on_redis.captured()) == (0, 0)
    captured = {record.event_id for record in on_redis.captured()}
    assert not [a for a in refused if a.event_id in captured and "may have been recorded" not in a.message]
    wait_until(lambda: is_ready(on_redis))
    send_again(on_redis, [sent[answer.event_id] for answer in refused])


def test_a_redis_that_hangs_holds_no_worker_up_for_each_request(on_redis: Served, redis: RedisServer) -> None:
    refused: list[tuple[Mapping[str, object], float]] = []
    redis.hang()
    try:
        began = time.monotonic()
        with httpx.Client(base_url=on_redis.url, timeout=10) as one_worker:
            for event in itertools.islice(new_events(on_redis), 20):
                answer = one_worker.post("/predict", json=event)
                assert answer.status_code == 503, answer.text
                refused.append((event, answer.elapsed.total_seconds()))
            assert one_worker.get("/livez").status_code == 200
            assert one_worker.get("/readyz").status_code == 503
        seconds = time.monotonic() - began
    finally:
        redis.go_on()
    waited = [took for _, took in refused if took >= TIMEOUT_SECONDS]
    assert 1 <= len(waited) <= 1 + seconds / PAUSE_SECONDS, "it is asked once, then not again for a while"
    wait_until(lambda: is_ready(on_redis))
    send_again(on_redis, [event for event, _ in refused])


def test_a_commit_that_got_no_answer_says_so_and_the_event_sent_again_is_answered(
    on_redis: Served, redis: RedisServer
) -> None:
    event = dict(next(new_events(on_redis)))
    with Redis.from_url(redis.url) as client:
        client.client_pause(5000, all=False)  # reads are answered, writes are not
        refused = on_redis.predict(event)
        client.client_unpause()
    assert refused.status_code == 503
    assert "it may have been recorded" in refused.json()["message"]
    wait_until(lambda: is_ready(on_redis))
    answer = on_redis.predict(event)
    assert answer.status_code == 200
    assert answer.json()["prediction_id"] in {record.prediction_id for record in on_redis.captured()}


def test_under_the_policy_score_a_product_without_state_is_answered_while_redis_is_away(
    redis: RedisServer, bentoml_home: Path, tmp_path: Path
) -> None:
    serving = serve(
        "mortality_risk",
        bentoml_home=bentoml_home,
        home=tmp_path,
        store_location=redis.url,
        environment={"MLOPS_CAPTURE_POLICY": "score"},
    )
    with contextlib.closing(serving):
        served = next(serving)
        event = served.event()
        captured = served.predict(event).json()
        redis.stop()
        try:
            unrecorded = served.predict({**event, "patient_id": 80_000_001})
            assert served.client.get("/readyz").status_code == 503
        finally:
            redis.start()
        assert unrecorded.status_code == 200
        assert unrecorded.json()["score"] == captured["score"]
        assert served.metric("mlops_capture_failures_total") == 1
        after = served.predict({**event, "patient_id": 80_000_002}).json()
        assert served.client.get("/readyz").status_code == 200
        recorded = [record.prediction_id for record in served.captured()]
        assert recorded == [captured["prediction_id"], after["prediction_id"]]
