"""The file that holds open alerts and every message until each of its sinks has it: `alerts.db` of the home.

What is open and what is to be said about it change in one transaction, so that a process that is killed loses neither.
A message is noted as delivered after its sink has taken it: one that was sent and not noted is sent again, under the
same id. Times are the wall clock's, since the file outlives processes.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from mlops_assets.core.alerts.lifecycle import Condition, Key, OpenAlert, advance
from mlops_assets.core.alerts.message import Message
from mlops_assets.core.errors import AlertError
from mlops_assets.core.formats import other_format

FILE = "alerts.db"
LOCK = ".alerts.lock"
"""File of the home that the process holds which looks at everything, or delivers."""
LOOKED_AT = "looked_at"
"""Note: when everything was last looked at."""
FORMAT = 1
"""Of the file, as its `user_version`."""
MAXIMUM_WAITING = 1_000
"""Messages that are kept for one sink; beyond it the oldest about alerts that are over go first, and are counted."""
KEPT = timedelta(days=30)
"""How long what was delivered stays to be seen."""
LONGEST_PAUSE = timedelta(hours=1)
"""Between two attempts. A later time can only come from a clock that was put back, and is due at once."""
_BUSY_SECONDS = 20.0
_TABLES = """
CREATE TABLE open_alerts (
    product TEXT, rule TEXT, subject TEXT, content BLOB NOT NULL, PRIMARY KEY (product, rule, subject)
);
CREATE TABLE messages (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, alert_id TEXT NOT NULL, content BLOB NOT NULL
);
CREATE TABLE deliveries (
    message INTEGER, sink TEXT, attempts INTEGER NOT NULL, next_at REAL NOT NULL, remark TEXT NOT NULL,
    done_at REAL, PRIMARY KEY (sink, message)
);
CREATE TABLE sinks (
    sink TEXT PRIMARY KEY, failed INTEGER NOT NULL, since REAL, next_at REAL, remark TEXT NOT NULL,
    dropped INTEGER NOT NULL
);
CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_WAITING = """
SELECT messages.number, messages.content, deliveries.sink, deliveries.attempts, deliveries.next_at, deliveries.remark
FROM deliveries JOIN messages ON messages.number = deliveries.message
WHERE deliveries.done_at IS NULL ORDER BY messages.number, deliveries.sink
"""
_TOO_MANY = """
DELETE FROM deliveries WHERE sink = :sink AND message IN (
    SELECT message FROM deliveries JOIN messages ON messages.number = deliveries.message
    WHERE sink = :sink AND done_at IS NULL
    ORDER BY messages.alert_id IN (SELECT value FROM json_each(:open)), messages.number LIMIT :count
)
"""
_UPDATE_SINK = """
INSERT INTO sinks (sink, failed, since, next_at, remark, dropped) VALUES (:sink, 1, :at, :next_at, :remark, 0)
ON CONFLICT (sink)
DO UPDATE SET failed = failed + 1, since = coalesce(since, :at), next_at = :next_at, remark = :remark
"""
_COUNT_DROPPED = """
INSERT INTO sinks (sink, failed, since, next_at, remark, dropped) VALUES (:sink, 0, NULL, NULL, '', :count)
ON CONFLICT (sink) DO UPDATE SET dropped = dropped + :count
"""


@dataclass(frozen=True)
class Waiting:
    """A message that one sink has not taken yet."""

    number: int
    message: Message
    sink: str
    attempts: int
    next_at: datetime
    remark: str
    """What the last attempt said; empty before the first."""


@dataclass(frozen=True)
class SinkHealth:
    """How a sink did lately."""

    sink: str
    failed: int
    """Attempts in a row that it did not take."""
    since: datetime | None
    """Time of the first of them."""
    next_at: datetime | None
    """When it is asked again; None where it is not known to be down."""
    remark: str
    dropped: int
    """Messages that were given up for it since the file was made, because too many waited."""


class Outbox:
    """Open alerts and undelivered messages of a home; several processes may use it at once."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def open_alerts(self) -> dict[Key, OpenAlert]:
        """Return the alerts that stand; none where the file is not there."""
        with self._reading() as connection:
            return _open_alerts(connection) if connection else {}

    def record(
        self,
        conditions: Iterable[Condition],
        *,
        now: datetime,
        new_id: Callable[[], str],
        route: Callable[[Message], Iterable[str]],
        notes: Mapping[str, str] | None = None,
    ) -> tuple[Message, ...]:
        """Take in conditions, and keep what is to be said for every sink that it goes to.

        conditions: in their order. now: the wall clock, UTC. new_id: names an alert that opens. route: the names of a
        message's sinks. notes: what is to be remembered together with the conditions, such as how far was read.

        Returns the new messages. Raises: AlertError when they cannot be kept; then nothing is changed.
        """
        with self._writing() as connection:
            before = _open_alerts(connection)
            step = advance(before, conditions, now=now, new_id=new_id)
            for key in before.keys() - step.open_alerts.keys():
                connection.execute(
                    "DELETE FROM open_alerts WHERE product = ? AND rule = ? AND subject = ?",
                    (key.product, key.rule, key.subject),
                )
            for key, alert in step.open_alerts.items():
                if before.get(key) != alert:
                    row = (key.product, key.rule, key.subject, msgspec.json.encode(alert))
                    connection.execute("INSERT OR REPLACE INTO open_alerts VALUES (?, ?, ?, ?)", row)
            _keep(connection, step.messages, route, now=now)
            _drop_too_many(connection, [alert.id for alert in step.open_alerts.values()])
            _forget_delivered(connection, now=now)
            connection.executemany("INSERT OR REPLACE INTO notes VALUES (?, ?)", (notes or {}).items())
        return step.messages

    def waiting(self) -> tuple[Waiting, ...]:
        """Return what was not delivered yet, the oldest message first."""
        with self._reading() as connection:
            rows = connection.execute(_WAITING).fetchall() if connection else []
        return tuple(
            Waiting(
                number,
                msgspec.json.decode(content, type=Message),
                sink,
                attempts,
                datetime.fromtimestamp(at, UTC),
                remark,
            )
            for number, content, sink, attempts, at, remark in rows
        )

    def delivered(self, one: Waiting, *, now: datetime, remark: str = "") -> None:
        """Note that the sink has taken the message, and that it works."""
        with self._writing() as connection:
            connection.execute(
                "UPDATE deliveries SET done_at = ?, attempts = attempts + 1, remark = ? WHERE sink = ? AND message = ?",
                (now.timestamp(), remark, one.sink, one.number),
            )
            connection.execute(
                "UPDATE sinks SET failed = 0, since = NULL, next_at = NULL, remark = '' WHERE sink = ?",
                (one.sink,),
            )

    def failed(self, one: Waiting, *, now: datetime, next_at: datetime, remark: str, is_down: bool) -> None:
        """Note that the sink did not take the message, and when it is tried again.

        one: the message and its sink. now, next_at: the wall clock. remark: why. is_down: whether the sink's other
        messages wait as long.
        """
        with self._writing() as connection:
            connection.execute(
                "UPDATE deliveries SET attempts = attempts + 1, next_at = ?, remark = ? WHERE sink = ? AND message = ?",
                (next_at.timestamp(), remark, one.sink, one.number),
            )
            pause = next_at.timestamp() if is_down else None
            given = {"sink": one.sink, "at": now.timestamp(), "next_at": pause, "remark": remark}
            connection.execute(_UPDATE_SINK, given)

    def health(self) -> tuple[SinkHealth, ...]:
        """Return how every sink did that failed or lost something, by name."""
        with self._reading() as connection:
            query = "SELECT sink, failed, since, next_at, remark, dropped FROM sinks ORDER BY sink"
            rows = connection.execute(query).fetchall() if connection else []
        return tuple(
            SinkHealth(sink, failed, _moment(since), _moment(next_at), remark, dropped)
            for sink, failed, since, next_at, remark, dropped in rows
        )

    def notes(self) -> dict[str, str]:
        """Return everything that `record` was told to remember."""
        with self._reading() as connection:
            return dict(connection.execute("SELECT name, value FROM notes")) if connection else {}

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        if not self.file.exists():
            yield None
            return
        with self._connected() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self._connected() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = sqlite3.connect(self.file, timeout=_BUSY_SECONDS, isolation_level=None)
            with closing(connection):
                connection.execute("PRAGMA synchronous = FULL")
                self._require_format(connection)
                yield connection
        except (sqlite3.Error, msgspec.MsgspecError) as error:
            raise AlertError(
                f"the outbox of alerts {self.file} cannot be used: {error}; free the disk or correct its rights. "
                "Where it is damaged, move it away: a new one is made, and what still holds is told anew"
            ) from error

    def _require_format(self, connection: sqlite3.Connection) -> None:
        found = _format(connection)
        if found == 0:
            connection.execute("BEGIN IMMEDIATE")  # two processes may make it at once
            if _format(connection) == 0:
                for statement in _TABLES.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {FORMAT}")
            connection.execute("COMMIT")
        elif found != FORMAT:
            remedy = "use the version that wrote it, or move the file away"
            raise AlertError(other_format(str(self.file), found, readable=FORMAT, remedy=remedy))


def _format(connection: sqlite3.Connection) -> int:
    return connection.execute("PRAGMA user_version").fetchone()[0]


def _open_alerts(connection: sqlite3.Connection) -> dict[Key, OpenAlert]:
    rows = connection.execute("SELECT content FROM open_alerts ORDER BY product, rule, subject")
    alerts = [msgspec.json.decode(content, type=OpenAlert) for (content,) in rows]
    return {alert.key: alert for alert in alerts}


def _keep(
    connection: sqlite3.Connection,
    messages: Iterable[Message],
    route: Callable[[Message], Iterable[str]],
    *,
    now: datetime,
) -> None:
    for message in messages:
        cursor = connection.execute(
            "INSERT INTO messages (id, alert_id, content) VALUES (?, ?, ?)",
            (message.id, message.alert_id, msgspec.json.encode(message)),
        )
        rows = [(cursor.lastrowid, sink, 0, now.timestamp(), "") for sink in route(message)]
        connection.executemany(
            "INSERT INTO deliveries (message, sink, attempts, next_at, remark) VALUES (?, ?, ?, ?, ?)", rows
        )


def _drop_too_many(connection: sqlite3.Connection, open_ids: Sequence[str]) -> None:
    query = "SELECT sink, count(*) FROM deliveries WHERE done_at IS NULL GROUP BY sink HAVING count(*) > ?"
    for sink, count in connection.execute(query, (MAXIMUM_WAITING,)).fetchall():
        given = {
            "sink": sink,
            "count": count - MAXIMUM_WAITING,
            "open": msgspec.json.encode(open_ids).decode(),
        }
        connection.execute(_TOO_MANY, given)
        connection.execute(_COUNT_DROPPED, {"sink": sink, "count": count - MAXIMUM_WAITING})


def _forget_delivered(connection: sqlite3.Connection, *, now: datetime) -> None:
    connection.execute("DELETE FROM deliveries WHERE done_at < ?", ((now - KEPT).timestamp(),))
    connection.execute("DELETE FROM messages WHERE number NOT IN (SELECT message FROM deliveries)")


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
