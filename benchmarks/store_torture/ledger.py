"""Compares what clients were told with what the store had, once all of them are dead."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from benchmarks.store_torture.clients import Place, collect
from mlops_assets.core.online_store.sqlite import SqliteOnlineStore


@dataclass(frozen=True)
class Balance:
    """What became of all commits."""

    acknowledged: int
    lost: int
    """Acknowledged, and in no record."""
    doubled: int
    """Records beyond the first of the same commit."""
    half_done: int
    """States that do not fit the records that were committed with them."""


def balance(place: Place) -> Balance:
    """Collect what is left, and compare.

    Raises: OnlineStoreError when the store cannot be read.
    """
    store = SqliteOnlineStore(place.file)
    while collect(place, store):
        pass
    acknowledged = {
        f"{log.name.removeprefix('acknowledged-')} {line}"
        for log in place.logs.glob("acknowledged-*")
        for line in log.read_text(encoding="ascii").splitlines()
    }
    places = _collected(place.logs)
    commits = {commit.rsplit(" ", 1)[0] for commit in places}
    expected: Counter[str] = Counter()
    for commit in places:
        name, number, shared = commit.split(" ")
        expected[f"shared={shared}@torture"] += 1
        own = f"own={name}@torture"
        expected[own] = max(expected[own], int(number))
    states = {key: int(state.content) for key, state in store.states() if "@" in key}
    store.close()
    return Balance(
        acknowledged=len(acknowledged),
        lost=len(acknowledged - commits),
        doubled=sum(len(found) - 1 for found in places.values()),
        half_done=sum(states.get(key) != number for key, number in expected.items()),
    )


def _collected(logs: Path) -> dict[str, set[str]]:
    """Commits to the positions of their records; one that was written twice has one place."""
    places: dict[str, set[str]] = defaultdict(set)
    for log in logs.glob("collected-*"):
        for line in log.read_text(encoding="ascii").splitlines(keepends=True):
            if line.endswith("\n") and line.count(" ") >= 3:  # a collector may have been killed within one
                position, commit = line.strip().split(" ", 1)
                places[commit].add(position)
    return places
