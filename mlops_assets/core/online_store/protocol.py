"""What an online store is: the state of each entity, and the predictions that were captured with it.

One store belongs to one product. A state is opaque bytes under a key with a version number; a captured record is
opaque bytes in the order of its commit. Both change in one atomic step, so that a process that is killed leaves a
request either wholly done (state updated, prediction captured) or not begun.

The small objects of a request here and beside are msgspec's structs: as frozen dataclasses they took ten times as long
to make, together some 5 % of a request.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import msgspec

ABSENT = 0
"""Version of a key that was never written."""


class StoredState(msgspec.Struct, frozen=True):
    """The state of one entity as it was read; an absent one has version ABSENT and no content."""

    version: int
    content: bytes


class StateChange(msgspec.Struct, frozen=True):
    """One entity's next state, to be written if its version is still the one that it was made from."""

    key: str
    expected_version: int
    content: bytes


class CapturedRecord(msgspec.Struct, frozen=True):
    """One captured prediction, at its place in the order of commits."""

    position: str
    """Opaque; positions of later commits sort after it as text. A store that was restored from a backup gives the same
    ones again, to other records: a position says nothing about what was done with its record.
    """
    content: bytes


class ScoringStore(Protocol):
    """What a request asks of a store; raises as an OnlineStore does."""

    def read(self, keys: Sequence[str]) -> list[StoredState]:
        """Read the states of `keys`, in their order."""
        ...

    def commit(self, changes: Sequence[StateChange], records: Sequence[bytes]) -> bool:
        """Write all changes and append all records in one atomic step; return False, and do neither, when a key has
        another version than expected.

        When it returns True, states and records outlive the death of this process.
        """
        ...


class OnlineStore(ScoringStore, Protocol):
    """The states and captured predictions of one product.

    Every method raises OnlineStoreError when the store does not answer, is full, or is not of this format; nothing was
    changed then, unless the error's `may_be_done` says that a commit was begun and nobody knows how it ended: it was
    sent over a network and got no answer, or the disk was full in its last step. Safe to use from several processes;
    one object belongs to one thread.
    """

    def identity(self) -> str:
        """Return the store's own name, made when it was created; a copy that was restored later has the same one."""
        ...

    def captured(self, *, after: str = "", limit: int = 10_000) -> list[CapturedRecord]:
        """Return the oldest records whose position sorts after `after`."""
        ...

    def forget_captured(self, records: Sequence[CapturedRecord]) -> None:
        """Delete these records, once they lie safely elsewhere; one that is another by now stays."""
        ...

    def captured_count(self) -> int:
        """Count the records that were not forgotten yet."""
        ...

    def states(self) -> Iterator[tuple[str, StoredState]]:
        """Yield key and state of every entity, in no order; one that changes meanwhile as it was at some instant."""
        ...

    def state_count(self) -> int:
        """Count the states of all entities."""
        ...

    def evict(self, versions: Mapping[str, int]) -> int:
        """Delete the states that still have these versions, and return how many; a version is not given again."""
        ...

    def clear(self) -> None:
        """Delete all states; captured records stay."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...
