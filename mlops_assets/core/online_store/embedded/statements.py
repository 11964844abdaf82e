"""What is asked of a store in SQL, within a transaction of the caller's."""

from collections.abc import Mapping, Sequence

import apsw

from mlops_assets.core.online_store.embedded.library import rows
from mlops_assets.core.online_store.protocol import CapturedRecord, StateChange

PAGE_STATES = 500
"""States that are read at once when all are."""
INSERT = (
    # A version is never given twice to one key: what was read before a clear must not fit what was written after it.
    "INSERT INTO state SELECT ?, newest_cleared_version + 1, ? FROM store WHERE true ON CONFLICT (key) DO NOTHING"
)
NEVER_AGAIN = "UPDATE store SET newest_cleared_version = max(newest_cleared_version, ?)"
UPDATE = "UPDATE state SET content = ?, version = version + 1 WHERE key = ? AND version = ?"
UPDATE_READ = f"{UPDATE} AND rowid = ?"
CAPTURE = "INSERT INTO captured (content) VALUES (?)"
# The row of the last position stays, without content, so that SQLite never gives a position twice. AUTOINCREMENT would
# do the same for one more page in every commit, a quarter of what is written.
EMPTY = "UPDATE captured SET content = NULL WHERE position = ? AND content = ?"
DELETE_EMPTY = (
    "DELETE FROM captured "
    "WHERE content IS NULL AND position <= ? AND position < (SELECT max(position) FROM captured)"
)


def update_states(
    connection: apsw.Connection, changes: Sequence[StateChange], rows_read: Mapping[str, int]
) -> None:
    """Write changes of states that are there and still have the expected version."""
    try:
        known = [(one.content, one.key, one.expected_version, rows_read[one.key]) for one in changes]
    except KeyError:
        values = [(one.content, one.key, one.expected_version) for one in changes]
        connection.executemany(UPDATE, values)
    else:
        connection.executemany(UPDATE_READ, known)


def page_of_states(connection: apsw.Connection, *, after: str) -> list[tuple[str, int, bytes]]:
    """Return key, version and content of the next states in the order of their keys."""
    page = "SELECT key, version, content FROM state WHERE key > ? ORDER BY key LIMIT ?"
    return rows(connection, page, (after, PAGE_STATES))


def forget_records(connection: apsw.Connection, records: Sequence[CapturedRecord]) -> int:
    """Delete records of ascending position, and return how many were asked for."""
    connection.executemany(EMPTY, ((int(one.position), one.content) for one in records))
    connection.execute(DELETE_EMPTY, (int(records[-1].position),))
    return len(records)


def evict_states(connection: apsw.Connection, versions: Sequence[tuple[str, int]]) -> int:
    """Delete the states that still have these versions, which are not given again; return how many."""
    before = connection.total_changes()
    connection.executemany("DELETE FROM state WHERE key = ? AND version = ?", versions)
    gone = connection.total_changes() - before
    if gone:
        connection.execute(NEVER_AGAIN, (max(version for _, version in versions),))
    return gone


def clear_states(connection: apsw.Connection) -> None:
    """Delete all states; their versions are not given again."""
    connection.execute(
        "UPDATE store SET newest_cleared_version = max(newest_cleared_version, "
        "(SELECT coalesce(max(version), 0) FROM state))"
    )
    connection.execute("DELETE FROM state")
