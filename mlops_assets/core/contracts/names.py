"""Names that a column, feature or label must not have: the platform's own, and those that a library refuses."""

import re

OWN_NAMES = frozenset(
    {
        "arm",
        "as_of",
        "bias",
        "decision",
        "error",
        "event_date",
        "feature_view",
        "features",
        "is_captured",
        "known_date",
        "latency_seconds",
        "model_as_of",
        "model_version",
        "plan_sequence",
        "prediction_id",
        "reasons",
        "received_at",
        "received_date",
        "request",
        "role",
        "score",
        "split",
        "threshold",
        "unreadable",
    }
)
"""Columns that the platform adds to tables and frames that hold a product's own columns."""
TIMES = ("event_timestamp", "known_at")
"""Columns of a contract whose meaning the platform gives."""
_REFUSED = re.compile(r"[\s\"'\[\]{}():,;=\\\x00-\x1f]")
"""LightGBM refuses JSON's signs in the names of features, Delta tables refuse most of the others."""


def problem_with(name: str) -> str | None:
    """Say why a name cannot be that of a column, feature or label; None when it can."""
    if name in OWN_NAMES:
        return f"{name} is a column of the platform's own: choose another name"
    if not name:
        return "a name has at least one letter"
    if found := _REFUSED.search(name):
        return f"{name!r} has {found[0]!r}, which a table or a model's file cannot hold in a name: choose another name"
    if name.startswith("__"):
        return f"{name} begins with __, as the platform's steps do: choose another name"
    return None


def same_but_for_case(names: list[str]) -> list[tuple[str, str]]:
    """Return pairs of names that differ in upper and lower case only, which one Delta table cannot hold."""
    seen: dict[str, str] = {}
    pairs = []
    for name in names:
        first = seen.setdefault(name.casefold(), name)
        if first != name:
            pairs.append((first, name))
    return pairs
