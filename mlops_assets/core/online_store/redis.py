"""The online store in Redis or Valkey, for services on many machines.

All keys of a product carry one hash tag, so that they lie on one node of a cluster. A commit is one script, which Redis
runs as a whole. What outlives the death of Redis itself is Redis' own configuration: with `appendonly yes` and
`appendfsync everysec` up to a second of commits is lost, states and captured records alike.
"""

import hashlib
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.commands.core import Script
from redis.retry import Retry

from mlops_assets.core.errors import ConfigurationError, OnlineStoreError
from mlops_assets.core.masking import masked
from mlops_assets.core.online_store.protocol import ABSENT, CapturedRecord, StateChange, StoredState

FORMAT = 1
TIMEOUT_SECONDS = 0.25
"""To connect, and to wait for an answer; `?socket_timeout=1&socket_connect_timeout=1` in the URL sets others."""
POSITION_DIGITS = 20
"""Of either half of a stream id, which are 64-bit numbers."""
FORGOTTEN_AT_ONCE = 500
"""Records or states that one script deletes: a few milliseconds."""
SCANNED_AT_ONCE = 200
"""States that Redis is asked for at once when all are read."""
_VERSION_END = b":"
_FIELD = b"r"
# KEYS: states, newest version, captured. ARGV: number of changes; per change key, what the stored value must begin
# with ("" for no stored value), content; then the records. An error can only come with the first write (no memory, a
# replica, a disk that is full), so a script that ran did everything. Versions are never given twice.
_COMMIT = """
local changes = tonumber(ARGV[1])
for change = 0, changes - 1 do
  local stored = redis.call('HGET', KEYS[1], ARGV[3 * change + 2])
  local expected = ARGV[3 * change + 3]
  if expected == '' then
    if stored then return 0 end
  elseif not stored or string.sub(stored, 1, #expected) ~= expected then
    return 0
  end
end
for change = 0, changes - 1 do
  local version = redis.call('INCR', KEYS[2])
  redis.call('HSET', KEYS[1], ARGV[3 * change + 2], version .. ':' .. ARGV[3 * change + 4])
end
for record = 3 * changes + 2, #ARGV do
  redis.call('XADD', KEYS[3], '*', 'r', ARGV[record])
end
return 1
"""
# KEYS: captured. ARGV: per record its stream id, and the SHA-1 of its content: after a restoration another record may
# have the id.
_FORGET = """
for record = 1, #ARGV, 2 do
  local found = redis.call('XRANGE', KEYS[1], ARGV[record], ARGV[record])[1]
  if found and redis.sha1hex(found[2][2]) == ARGV[record + 1] then
    redis.call('XDEL', KEYS[1], ARGV[record])
  end
end
"""
# KEYS: states. ARGV: per state its key, and what the stored value must begin with.
_EVICT = """
local gone = 0
for state = 1, #ARGV, 2 do
  local stored = redis.call('HGET', KEYS[1], ARGV[state])
  if stored and string.sub(stored, 1, #ARGV[state + 1]) == ARGV[state + 1] then
    gone = gone + redis.call('HDEL', KEYS[1], ARGV[state])
  end
end
return gone
"""
_NO_STATE = StoredState(ABSENT, b"")
_Answer = TypeVar("_Answer")


class RedisOnlineStore:
    """States and captured predictions of one product in the Redis at `url`.

    An object connects at its first use, and again when the connection was lost.
    Raises: ConfigurationError for a URL that redis-py does not understand.
    """

    def __init__(self, url: str, product: str) -> None:
        self._url = url
        self._states, self._versions, self._captured, self._store = (
            f"{{mlops:{product}}}:{name}" for name in ("states", "versions", "captured", "store")
        )
        try:
            self._pool = redis.ConnectionPool.from_url(
                url,
                socket_timeout=TIMEOUT_SECONDS,
                socket_connect_timeout=TIMEOUT_SECONDS,
                # redis-py would send a commit again whose answer was lost.
                retry=Retry(NoBackoff(), 0),
            )
            self._pool.make_connection()
        except (ValueError, TypeError) as error:
            raise ConfigurationError(f"MLOPS_ONLINE_STORE {masked(url)}: {masked(str(error))}") from error
        self._client: redis.Redis | None = None
        self._script: Script | None = None

    def identity(self) -> str:
        """See OnlineStore."""
        return self._ask(self._greeted)

    def read(self, keys: Sequence[str]) -> list[StoredState]:
        """See OnlineStore."""
        if not keys:
            return []
        values = self._ask(lambda client: client.hmget(self._states, list(keys)))
        return [_NO_STATE if value is None else _state(value) for value in values]

    def commit(self, changes: Sequence[StateChange], records: Sequence[bytes]) -> bool:
        """See OnlineStore."""
        arguments: list[str | bytes | int] = [len(changes)]
        for change in changes:
            is_new = change.expected_version == ABSENT
            arguments += (change.key, "" if is_new else f"{change.expected_version}:", change.content)
        arguments += records
        keys = (self._states, self._versions, self._captured)
        return self._ask(lambda client: self._commit(client, keys, arguments), is_commit=True) == 1

    def captured(self, *, after: str = "", limit: int = 10_000) -> list[CapturedRecord]:
        """See OnlineStore; a position is a stream id, both halves at full length."""
        start = f"({_stream_id(after)}" if after else "-"
        entries = self._ask(lambda client: client.xrange(self._captured, min=start, count=limit))
        return [CapturedRecord(_position(entry), fields[_FIELD]) for entry, fields in entries]

    def forget_captured(self, records: Sequence[CapturedRecord]) -> None:
        """See OnlineStore; some at a time, between which other clients get their turn."""
        for first in range(0, len(records), FORGOTTEN_AT_ONCE):
            arguments = [
                text
                for one in records[first : first + FORGOTTEN_AT_ONCE]
                for text in (_stream_id(one.position), _digest(one.content))
            ]
            self._ask(lambda client, given=arguments: client.eval(_FORGET, 1, self._captured, *given))

    def captured_count(self) -> int:
        """See OnlineStore."""
        return self._ask(lambda client: client.xlen(self._captured))

    def states(self) -> Iterator[tuple[str, StoredState]]:
        """See OnlineStore; one that moves within the table meanwhile may come twice."""
        cursor = None
        while cursor != 0:
            cursor, found = self._ask(
                lambda client, at=cursor or 0: client.hscan(self._states, cursor=at, count=SCANNED_AT_ONCE)
            )
            for key, value in found.items():
                yield key.decode(), _state(value)

    def state_count(self) -> int:
        """See OnlineStore."""
        return self._ask(lambda client: client.hlen(self._states))

    def evict(self, versions: Mapping[str, int]) -> int:
        """See OnlineStore."""
        gone, pairs = 0, list(versions.items())
        for first in range(0, len(pairs), FORGOTTEN_AT_ONCE):
            arguments = [
                text
                for key, version in pairs[first : first + FORGOTTEN_AT_ONCE]
                for text in (key, f"{version}:")
            ]
            gone += self._ask(lambda client, given=arguments: client.eval(_EVICT, 1, self._states, *given))
        return gone

    def clear(self) -> None:
        """See OnlineStore."""
        self._ask(lambda client: client.unlink(self._states))

    def close(self) -> None:
        """See OnlineStore; a later call connects again."""
        if self._client is not None:
            self._client.close()
            self._client = None
        self._pool.disconnect()

    # Any: redis-py annotates one client for its synchronous and its asynchronous use.
    def _ask(self, question: Callable[[Any], Any], *, is_commit: bool = False) -> Any:
        """Ask Redis, and once more over a new connection: that one was lost is found out only by the next question.

        A commit is sent once: it may have been done when its answer is lost.
        """
        client = self._connected()
        try:
            return question(client)
        except redis.ConnectionError as error:
            self.close()
            if is_commit:
                self._fail(error, may_be_done=True)
        except redis.TimeoutError as error:
            self.close()  # its late answer must not be taken for the next one's
            self._fail(error, may_be_done=is_commit)
        except redis.RedisError as error:
            self._fail(error)
        client = self._connected()
        try:
            return question(client)
        except redis.RedisError as error:
            self.close()
            self._fail(error)

    def _connected(self) -> redis.Redis:
        if self._client is None:
            try:
                client = redis.Redis(connection_pool=self._pool, single_connection_client=True)
                self._greeted(client)
            except redis.RedisError as error:
                self._pool.disconnect()
                self._fail(error)
            self._client = client
        return self._client

    def _commit(
        self, client: redis.Redis, keys: Sequence[str], arguments: Sequence[str | bytes | int]
    ) -> Any:
        if self._script is None:
            self._script = client.register_script(_COMMIT)
        return self._script(keys, arguments, client=client)

    def _greeted(self, client: Any) -> str:
        """Return the identity, made now when there is none; a store of another format is refused."""
        found, identity = client.hmget(self._store, ("format", "identity"))
        if identity is None:  # written only then: a Redis without memory can still be read
            greeting = client.pipeline(transaction=True)
            greeting.hsetnx(self._store, "format", FORMAT)
            greeting.hsetnx(self._store, "identity", uuid.uuid4().hex)
            greeting.hmget(self._store, ("format", "identity"))
            found, identity = greeting.execute()[-1]
        if int(found) != FORMAT:
            raise OnlineStoreError(
                f"online store {masked(self._url)}: {self._store} is of format {int(found)}, and this version reads "
                f"format {FORMAT}: collect its records with the version that wrote it, delete the keys, and "
                "materialize online_features"
            )
        return identity.decode()

    def _fail(self, error: redis.RedisError, *, may_be_done: bool = False) -> NoReturn:
        raise OnlineStoreError(
            f"online store {masked(self._url)}: {masked(str(error))}; {_advice(error)}",
            may_be_done=may_be_done,
        ) from error


def _advice(error: redis.RedisError) -> str:
    if isinstance(error, redis.AuthenticationError):
        return "set the user and password in MLOPS_ONLINE_STORE"
    if isinstance(error, redis.TimeoutError):
        return "it does not answer in time: look at its load, and at the network"
    if isinstance(error, redis.OutOfMemoryError) or "OOM " in str(error):  # the latter in a script
        return "nothing was changed: raise its maxmemory, or collect the captured predictions"
    if isinstance(error, redis.ConnectionError):
        return "start it, or correct MLOPS_ONLINE_STORE; it goes on by itself when Redis is back"
    return "nothing was changed: see Redis' own log"


def _state(value: bytes) -> StoredState:
    end = value.index(_VERSION_END)
    return StoredState(int(value[:end]), value[end + 1 :])


def _digest(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def _position(entry: bytes) -> str:
    return "-".join(half.zfill(POSITION_DIGITS) for half in entry.decode().split("-"))


def _stream_id(position: str) -> str:
    return "-".join(str(int(half)) for half in position.split("-"))
