"""Which version answers whom: a sticky draw per entity."""

import hashlib

from mlops_assets.core.release.plan import Arm, ReleasePlan

BUCKETS = 10_000
"""Shares are kept to a hundredth of a per cent."""


class Draw:
    """The place of each entity in one product's draw for one challenger; safe to share between threads."""

    __slots__ = ("_seeded",)

    def __init__(self, product: str, challenger: int) -> None:
        self._seeded = hashlib.blake2b(f"{product}\0{challenger}\0".encode(), digest_size=8)

    def bucket(self, entity: int | str) -> int:
        """Return the entity's place in 0..9999; the challenger answers those below its share."""
        hashed = self._seeded.copy()
        hashed.update(str(entity).encode())
        return int.from_bytes(hashed.digest(), "little") % BUCKETS


class Router:
    """Routes the entities of one product under one plan; safe to share between threads.

    An entity's bucket is a hash of product, challenger version and entity. So every worker and replica gives the
    same answer, an entity that a ramp let in stays in at every larger percentage, and the next challenger draws
    anew. 5 and "5" are the same entity.
    """

    __slots__ = ("_challenger", "_champion", "_draw", "_limit", "shadow")

    def __init__(self, product: str, plan: ReleasePlan) -> None:
        self._champion = plan.champion
        other = plan.other
        self._challenger = other if other is not None and other.role == "challenger" else None
        self.shadow: Arm | None = other if other is not None and other.role == "shadow" else None
        """The arm that scores silently, beside the one that answers."""
        self._limit = self._challenger.percent * BUCKETS // 100 if self._challenger else 0
        self._draw = Draw(product, self._challenger.version if self._challenger else 0)

    def arm(self, entity: int | str) -> Arm:
        """Return the arm that answers `entity`, in about a microsecond."""
        if self._challenger is None:
            return self._champion
        return self._challenger if self.bucket(entity) < self._limit else self._champion

    def bucket(self, entity: int | str) -> int:
        """Return the entity's place in 0..9999; the challenger answers those below its share."""
        return self._draw.bucket(entity)
