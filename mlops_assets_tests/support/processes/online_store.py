"""A process that commits to an online store; test_online_store.py starts several, and kills some.

`count LOCATION KEY TIMES` adds one to each of two counters, TIMES times, with a record for each; it tries again after a
conflict. `write LOCATION` commits two states and two records of one number, again and again until it is killed, and
says each number once the store acknowledged it.
"""

import os
import sys
from itertools import count

from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.online_store.protocol import OnlineStore, StateChange

PRODUCT = "shop"
COUNTERS = ("left", "right")
PADDING = b"." * 3000


def add_one(store: OnlineStore, record: bytes) -> None:
    """Read both counters, add one to each, and commit until it succeeds."""
    while True:
        states = store.read(COUNTERS)
        changes = [
            StateChange(key, state.version, str(int(state.content or b"0") + 1).encode())
            for key, state in zip(COUNTERS, states, strict=True)
        ]
        if store.commit(changes, [record]):
            return


def write_number(store: OnlineStore, number: int) -> bool:
    """Set two states to one number and append it twice, in one commit."""
    content = str(number).encode()
    left, right = store.read(COUNTERS)
    changes = [
        StateChange(COUNTERS[0], left.version, content + PADDING),
        StateChange(COUNTERS[1], right.version, content + PADDING),
    ]
    return store.commit(changes, [content, content])


if __name__ == "__main__":
    task, location, *rest = sys.argv[1:]
    own = open_online_store(location, PRODUCT)
    if task == "count":
        for turn in range(int(rest[0])):
            add_one(own, f"{os.getpid()}-{turn}".encode())
    else:
        for number in count(int(rest[0])):
            if not write_number(own, number):
                raise RuntimeError("nobody else writes, so no commit can be refused")
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()
