"""What every online store promises, on SQLite and on a real Redis: atomic commits, versions, order, and no loss."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_assets.commands.drill.redis_server import RedisServer
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.online_store.protocol import (
    ABSENT,
    CapturedRecord,
    OnlineStore,
    StateChange,
    StoredState,
)
from mlops_assets_tests.support.processes.online_store import COUNTERS, PADDING, PRODUCT, write_number

KILLS = 5
PROCESSES = 4
TURNS = 100
BYTES = bytes(range(256))


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis")).start()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "redis"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store of the test's own."""
    if request.param == "sqlite":
        return str(tmp_path / "online")
    import redis

    server: RedisServer = request.getfixturevalue("redis_server")
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
    return f"{server.url}?socket_timeout=60&socket_connect_timeout=60"  # however busy the machine is


@pytest.fixture
def store(location: str) -> Iterator[OnlineStore]:
    store = open_online_store(location, PRODUCT)
    yield store
    store.close()


def records_of(store: OnlineStore, *, after: str = "", limit: int = 10_000) -> list[bytes]:
    return [record.content for record in store.captured(after=after, limit=limit)]


def set_to(store: OnlineStore, key: str, content: bytes) -> int:
    """Write one state over whatever it is; returns its new version."""
    (before,) = store.read([key])
    assert store.commit([StateChange(key, before.version, content)], [])
    return store.read([key])[0].version


def test_what_was_never_written_is_absent(store: OnlineStore) -> None:
    assert store.read(["a", "b"]) == [StoredState(ABSENT, b"")] * 2
    assert store.read([]) == []
    assert store.captured() == []
    assert store.captured_count() == 0


def test_states_come_back_in_the_order_of_the_keys(store: OnlineStore) -> None:
    changes = [StateChange("a", ABSENT, BYTES), StateChange("customer_id=ä:1", ABSENT, b"")]
    assert store.commit(changes, [b"one", BYTES])
    contents = [state.content for state in store.read(["customer_id=ä:1", "none", "a"])]
    assert contents == [b"", b"", BYTES]
    assert records_of(store) == [b"one", BYTES]


@pytest.mark.parametrize("wrong", ["newer", "older", "absent"])
def test_a_commit_with_one_wrong_version_changes_nothing(store: OnlineStore, wrong: str) -> None:
    set_to(store, "a", b"1")
    version = set_to(store, "a", b"2")
    expected = {"newer": version + 1, "older": version - 1, "absent": ABSENT}[wrong]
    changes = [StateChange("b", ABSENT, b"new"), StateChange("a", expected, b"3")]
    assert store.commit(changes, [b"record"]) is False
    assert [state.content for state in store.read(["a", "b"])] == [b"2", b""]
    assert store.captured_count() == 0
    assert store.commit([StateChange("a", version, b"3")], [b"record"])


def test_a_state_that_is_absent_does_not_fit_an_older_reading(store: OnlineStore) -> None:
    assert store.commit([StateChange("a", 7, b"x")], [b"record"]) is False
    assert store.read(["a"]) == [StoredState(ABSENT, b"")]


def test_what_was_read_before_a_clear_does_not_fit_what_was_written_after_it(store: OnlineStore) -> None:
    stale = [set_to(store, "a", str(number).encode()) for number in range(3)]
    assert store.commit([], [b"kept"])
    store.clear()
    assert store.read(["a"])[0].version == ABSENT
    fresh = [set_to(store, "a", str(number).encode()) for number in range(3)]
    assert not set(stale) & set(fresh)
    assert records_of(store) == [b"kept"]


def test_records_stay_in_the_order_of_their_commits_and_positions_sort_as_text(store: OnlineStore) -> None:
    expected = [f"{commit}-{record}".encode() for commit in range(40) for record in range(3)]
    for commit in range(40):
        assert store.commit([], expected[3 * commit : 3 * commit + 3])
    captured = store.captured()
    assert [record.content for record in captured] == expected
    positions = [record.position for record in captured]
    assert positions == sorted(set(positions))
    assert records_of(store, limit=7) == expected[:7]
    assert records_of(store, after=positions[9], limit=5) == expected[10:15]
    assert records_of(store, after=positions[-1]) == []


def test_exactly_the_records_that_were_read_are_forgotten(store: OnlineStore) -> None:
    assert store.commit([], [b"1", b"2", b"3", b"4"])
    captured = store.captured()
    store.forget_captured([captured[0], captured[2]])
    assert store.captured() == [captured[1], captured[3]]
    assert store.captured_count() == 2
    store.forget_captured(captured[:2])
    store.forget_captured([])
    assert store.captured() == captured[3:]


def test_another_record_at_the_same_position_is_not_forgotten(store: OnlineStore) -> None:
    """As after a restoration between the reading and the forgetting."""
    assert store.commit([], [b"1", b"2"])
    captured = store.captured()
    store.forget_captured([CapturedRecord(one.position, b"of another time") for one in captured])
    assert store.captured() == captured


def test_more_records_than_one_step_takes_are_forgotten(store: OnlineStore) -> None:
    assert store.commit([], [str(number).encode() for number in range(1201)])
    store.forget_captured(store.captured(limit=1200))
    assert records_of(store) == [b"1200"]


def test_a_position_is_never_given_twice_not_even_after_everything_was_forgotten(
    store: OnlineStore, location: str
) -> None:
    assert store.commit([], [b"1", b"2"])
    last = store.captured()[-1].position
    store.forget_captured(store.captured())
    store.close()
    reopened = open_online_store(location, PRODUCT)
    assert reopened.commit([], [b"3"])
    assert [record.content for record in reopened.captured(after=last)] == [b"3"]
    reopened.close()


def test_products_do_not_see_each_other(store: OnlineStore, location: str) -> None:
    other = open_online_store(location, "bakery")
    assert store.commit([StateChange("a", ABSENT, b"shop")], [b"shop"])
    assert other.read(["a"]) == [StoredState(ABSENT, b"")]
    assert other.captured() == []
    assert other.identity() != store.identity()
    other.close()


def test_the_identity_stays_and_every_process_sees_the_same(store: OnlineStore, location: str) -> None:
    identity = store.identity()
    store.clear()
    other = open_online_store(location, PRODUCT)
    assert store.identity() == other.identity() == identity
    other.close()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    commits=st.lists(
        st.tuples(
            st.dictionaries(
                st.sampled_from("abc"), st.tuples(st.booleans(), st.binary(max_size=4)), max_size=3
            ),
            st.lists(st.binary(max_size=4), max_size=3),
        ),
        max_size=12,
    )
)
def test_it_behaves_as_a_dictionary_and_a_list(
    store: OnlineStore, commits: list[tuple[dict[str, tuple[bool, bytes]], list[bytes]]]
) -> None:
    """Each commit names per key whether it expects the present version, or that of a reading that is out of date."""
    store.clear()
    store.forget_captured(store.captured())
    states: dict[str, bytes] = {}
    records: list[bytes] = []
    for wanted, appended in commits:
        present = dict(zip("abc", store.read("abc"), strict=True))
        changes = [
            StateChange(key, present[key].version + (0 if is_fresh else 1), content)
            for key, (is_fresh, content) in wanted.items()
        ]
        fits = all(is_fresh for is_fresh, _ in wanted.values())
        assert store.commit(changes, appended) is fits
        if fits:
            states |= {key: content for key, (_, content) in wanted.items()}
            records += appended
        assert [state.content for state in store.read("abc")] == [states.get(key, b"") for key in "abc"]
    assert records_of(store) == records


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "mlops_assets_tests.support.processes.online_store", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_several_processes_lose_no_update(location: str) -> None:
    processes = [start("count", location, str(TURNS)) for _ in range(PROCESSES)]
    for process in processes:
        process.communicate(timeout=120)
    assert [process.returncode for process in processes] == [0] * PROCESSES
    store = open_online_store(location, PRODUCT)
    expected = str(PROCESSES * TURNS).encode()
    assert [state.content for state in store.read(COUNTERS)] == [expected] * 2
    assert len(set(records_of(store))) == store.captured_count() == PROCESSES * TURNS
    store.close()


def test_killed_at_random_instants_a_writer_leaves_every_acknowledged_commit_and_no_half(
    location: str, store: OnlineStore
) -> None:
    instants = random.Random(20180401)
    following, acknowledged = 0, 0
    for _ in range(KILLS):
        process = start("write", location, str(following))
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(instants.uniform(0.0, 0.05))
        process.kill()
        said = process.stdout.read().split()
        assert process.wait(timeout=30) == -signal.SIGKILL
        acknowledged = int(said[-1]) if said else following
        records = records_of(store, limit=10**6)
        numbers = [int(record) for record in records[::2]]
        assert records[::2] == records[1::2]
        assert numbers == list(range(len(numbers)))
        assert len(numbers) - 1 in (acknowledged, acknowledged + 1)
        last = str(numbers[-1]).encode() + PADDING
        assert [state.content for state in store.read(COUNTERS)] == [last, last]
        following = len(numbers)
    assert write_number(store, following)
