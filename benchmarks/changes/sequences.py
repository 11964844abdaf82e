"""Sequences of changes: of each kind there and back, and drawn mixtures of them."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

CHANGES: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("a strict gate", {"gates": "strict"}),
    ("another baseline", {"baselines": "count"}),
    ("features redefined", {"features": "redefined"}),
    ("features dropped", {"features": "dropped"}),
    ("a feature added", {"features": "added"}),
    ("another cost", {"false_positive_cost": 40.0}),
    ("another split", {"train_days": 12}),
    ("another seed of the evaluation", {"bootstrap_seed": 1}),
    ("another seed of the training", {"training_seed": 1}),
    ("more rounds", {"rounds": 30}),
    ("another source", {"source_seed": 1}),
    ("rows changed", {"rows": "changed"}),
    ("rows removed", {"rows": "removed"}),
    ("rows added", {"rows": "added"}),
    ("a library upgraded", {"lightgbm": "99.0"}),
    ("code edited", {"code": "edited"}),
    ("an earlier as-of", {"as_of": date(2018, 5, 17)}),
)
DELETED: tuple[tuple[str, ...], ...] = (
    ("training_set", "hyperparameters", "model", "evaluation", "gate_verdicts"),
    ("evaluation", "gate_verdicts"),
    ("raw_events", "events", "rejected_events", "labels", "features", "training_set"),
    ("model", "hyperparameters"),
)


@dataclass(frozen=True)
class Step:
    """One change, after which everything is materialized again."""

    name: str
    change: Mapping[str, Any] | None = field(default_factory=dict[str, Any])
    """Fields of the world and their new values; None takes back all that was changed."""
    deletes: tuple[str, ...] = ()
    """Tables that are deleted before."""
    elsewhere: bool = False
    """A second home on the same registry is brought to the changed world, and this one's world stays."""


BACK = Step("all taken back", None)


def sequences(count: int, *, seed: int) -> list[tuple[Step, ...]]:
    """Return `count` sequences: each kind of change alone first, there and back; then drawn ones of two to four."""
    single = [(Step(name, change), BACK) for name, change in CHANGES]
    single += [(Step(f"{' and '.join(nouns)} deleted", deletes=nouns),) for nouns in DELETED]
    draw = random.Random(seed)
    shared = [
        (Step("a home on the same registry", change, elsewhere=True), Step("nothing"))
        for _, change in (CHANGES[10], CHANGES[9], CHANGES[14])
    ]
    fixed = [*shared, *single]
    return [*fixed[:count], *(_drawn(draw) for _ in range(count - len(fixed)))]


def _drawn(draw: random.Random) -> tuple[Step, ...]:
    steps = [Step(name, change) for name, change in draw.sample(CHANGES, draw.randint(2, 3))]
    more = draw.choice([BACK, Step("deleted", deletes=draw.choice(DELETED)), None])
    return tuple([*steps, more] if more else steps)
