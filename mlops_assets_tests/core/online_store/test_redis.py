"""What Redis makes possible to go wrong: away, slow, full, read-only, emptied, protected, in a cluster."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from mlops_assets.commands.drill.redis_server import RedisServer
from mlops_assets.core.errors import ConfigurationError, OnlineStoreError
from mlops_assets.core.online_store.protocol import ABSENT, StateChange
from mlops_assets.core.online_store.redis import RedisOnlineStore

Starter = Callable[..., RedisServer]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starter]:
    servers: list[RedisServer] = []

    def start_with(*options: str) -> RedisServer:
        servers.append(RedisServer(tmp_path, options).start())
        return servers[-1]

    yield start_with
    for server in servers:
        server.stop()


def store_of(server: RedisServer) -> RedisOnlineStore:
    return RedisOnlineStore(server.url, "shop")


def test_a_redis_that_goes_away_is_an_error_at_once_and_works_again_when_it_is_back(start: Starter) -> None:
    server = start("--appendonly", "yes", "--appendfsync", "always")
    store = store_of(server)
    assert store.commit([StateChange("a", ABSENT, b"1")], [b"record"])
    identity, (before,) = store.identity(), store.read(["a"])
    server.stop()
    for question in (lambda: store.read(["a"]), lambda: store.commit([], [b"lost"]), store.captured_count):
        with pytest.raises(OnlineStoreError, match="start it, or correct MLOPS_ONLINE_STORE"):
            question()
    server.start()
    assert store.read(["a"]) == [before]
    assert store.commit([StateChange("a", before.version, b"2")], [b"further"])
    assert store.identity() == identity
    assert [record.content for record in store.captured()] == [b"record", b"further"]


def test_a_restart_between_two_questions_fails_no_reading_and_never_repeats_a_commit(start: Starter) -> None:
    server = start("--appendonly", "yes", "--appendfsync", "always")
    store = store_of(server)
    assert store.commit([StateChange("a", ABSENT, b"1")], [])
    server.stop()
    server.start()
    assert store.read(["a"])[0].content == b"1"
    server.stop()
    server.start()
    with pytest.raises(OnlineStoreError) as lost:
        store.commit([], [b"record"])
    assert lost.value.may_be_done
    assert store.commit([], [b"record"])
    assert store.captured_count() == 1


def test_a_commit_that_was_never_sent_is_known_not_to_be_done(start: Starter) -> None:
    server = start()
    server.stop()
    with pytest.raises(OnlineStoreError) as refused:
        store_of(server).commit([], [b"record"])
    assert not refused.value.may_be_done


def test_a_redis_that_does_not_answer_in_time_is_an_error_and_not_waited_for(start: Starter) -> None:
    server = start()
    store = RedisOnlineStore(f"{server.url}?socket_timeout=1", "shop")
    assert store.captured_count() == 0
    server.hang()
    with pytest.raises(OnlineStoreError, match="does not answer in time") as commit:
        store.commit([], [b"record"])
    with pytest.raises(OnlineStoreError, match="does not answer in time") as reading:
        store.read(["a"])
    assert (commit.value.may_be_done, reading.value.may_be_done) == (True, False)
    server.go_on()
    patient = RedisOnlineStore(f"{server.url}?socket_timeout=60", "shop")
    assert patient.read(["a"])[0].version == ABSENT


def test_a_full_redis_refuses_commits_whole_and_goes_on_when_there_is_room(start: Starter) -> None:
    server = start("--maxmemory-policy", "noeviction")
    store = store_of(server)
    assert store.commit([StateChange("a", ABSENT, b"1")], [b"first"])
    (before,) = store.read(["a"])
    with redis.Redis.from_url(server.url) as client:
        client.config_set("maxmemory", "1kb")
        with pytest.raises(OnlineStoreError, match="nothing was changed: raise its maxmemory"):
            store.commit([StateChange("a", before.version, b"2")], [b"second"])
        assert store.read(["a"]) == [before]
        store.forget_captured(store.captured()[:1])
        client.config_set("maxmemory", "0")
    assert store.commit([StateChange("a", before.version, b"2")], [b"second"])
    assert [record.content for record in store.captured()] == [b"second"]


def test_an_emptied_redis_is_another_store(start: Starter) -> None:
    server = start()
    store = store_of(server)
    assert store.commit([StateChange("a", ABSENT, b"1")], [b"record"])
    identity, (before,) = store.identity(), store.read(["a"])
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
        client.script_flush()
    assert store.commit([StateChange("a", before.version, b"2")], [b"record"]) is False
    assert store.commit([StateChange("a", ABSENT, b"2")], [b"record"])
    assert store.identity() != identity


def test_a_wrong_password_is_said_and_none_is_shown(start: Starter) -> None:
    server = start("--requirepass", "s3cret")
    address = server.url.removeprefix("redis://")
    assert RedisOnlineStore(f"redis://:s3cret@{address}", "shop").captured_count() == 0
    with pytest.raises(OnlineStoreError, match="set the user and password") as wrong:
        RedisOnlineStore(f"redis://:hunter2@{address}", "shop").captured_count()
    with pytest.raises(OnlineStoreError, match="set the user and password"):
        store_of(server).captured_count()
    assert "hunter2" not in str(wrong.value)
    assert "***@127.0.0.1" in str(wrong.value)


@pytest.mark.parametrize(
    "url", ["redis://host:port/0", "redis://host/0?socket_timeuot=1", "redis://host?socket_timeout=a"]
)
def test_a_url_that_cannot_be_understood_is_refused_before_anything_is_asked(url: str) -> None:
    with pytest.raises(ConfigurationError, match="MLOPS_ONLINE_STORE"):
        RedisOnlineStore(url, "shop")


def test_tls_is_asked_for_by_the_url(start: Starter) -> None:
    server = start()
    with pytest.raises(OnlineStoreError):
        RedisOnlineStore(server.url.replace("redis://", "rediss://"), "shop").captured_count()


def test_a_store_of_another_format_is_refused(start: Starter) -> None:
    server = start()
    assert store_of(server).captured_count() == 0
    with redis.Redis.from_url(server.url) as client:
        client.hset("{mlops:shop}:store", "format", "99")
    with pytest.raises(OnlineStoreError, match="format 99, and this version reads format 1"):
        store_of(server).captured_count()


def test_in_a_cluster_all_keys_of_a_product_lie_on_one_node(start: Starter) -> None:
    server = start("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf")
    with redis.Redis.from_url(server.url) as client:
        client.execute_command("CLUSTER", "ADDSLOTS", *range(16384))
        while b"cluster_state:ok" not in client.execute_command("CLUSTER", "INFO"):
            time.sleep(0.02)
        store = store_of(server)
        assert store.commit([StateChange("a", ABSENT, b"1"), StateChange("b", ABSENT, b"2")], [b"record"])
        assert [state.content for state in store.read(["a", "b"])] == [b"1", b"2"]
        assert len({client.execute_command("CLUSTER", "KEYSLOT", key) for key in client.scan_iter()}) == 1
