"""Which rows a request did not see: labels that came late to the online state, and events that never came.

A row is tried by deriving the request's vector without it. All candidates of a request are tried at once: each in a
copy of the request's rows whose ids and entities carry the copy's number, so that copies do not see each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from mlops_assets.core.features.online.seen_events import IS_CAPTURED
from mlops_assets.core.parity.replay import Replay
from mlops_assets.core.parity.suspect import Explanation, Suspect, is_same
from mlops_assets.core.times import KNOWN_AT

PATIENCE, CANDIDATES = 3, 250
"""Requests in a row without a lost row that end a search, and rows that are tried for each."""
ROWS_AT_ONCE = 50_000
"""Copied rows of candidates that are tried together; the newest rows, which lack most often, come in small groups."""


@dataclass(frozen=True)
class _Gone:
    """Rows that one copy lacks."""

    words: str
    events: pl.Series
    """Ids."""
    labels: pl.Expr
    """Condition on labels."""


def stale_labels(replay: Replay, suspects: Sequence[Suspect]) -> Explanation:
    """Leave out of each request the labels that became known last, or single ones."""
    explains, example, failures = set[int](), "", 0
    for place, suspect in enumerate(suspects):
        if failures == PATIENCE or replay.labels is None:
            break
        near = replay.about(_ids(replay, [suspect.event_id]))
        found = _first_match(near, suspect, _label_candidates(near, suspect))
        failures = failures + 1 if found is None else 0
        if found is not None:
            explains.add(place)
            example = example or f"request {suspect.event_id} did not see {found.words}"
    return Explanation("stale label", example, frozenset(explains))


def lost_events(replay: Replay, suspects: Sequence[Suspect]) -> Explanation:
    """Leave single events out of each request's windows; what was found lost stays out for the later ones."""
    lost: dict[int | str, None] = {}
    explains, failures = set[int](), 0
    for place, suspect in enumerate(suspects):
        if failures == PATIENCE:
            break
        near = replay.about(_ids(replay, [suspect.event_id]))
        found = _first_match(near, suspect, _event_candidates(near, suspect, lost))
        failures = failures + 1 if found is None else 0
        if found is not None:
            explains.add(place)
            lost |= dict.fromkeys(found.events.to_list())
    captured = replay.events.filter(IS_CAPTURED)[replay.view.id_column].implode()
    known = pl.Series([*lost], dtype=replay.events.schema[replay.view.id_column])
    shown = [
        f"{event}{'' if is_captured else ' (of the lakehouse)'}"
        for event, is_captured in zip(known, known.is_in(captured), strict=True)
    ]
    return Explanation("lost event", f"the state did not hold {', '.join(shown[:3])}", frozenset(explains))


def _ids(replay: Replay, ids: Sequence[object]) -> pl.Series:
    key = replay.view.id_column
    return pl.Series(key, ids, dtype=replay.events.schema[key])


def _label_candidates(near: Replay, suspect: Suspect) -> list[_Gone]:
    key, labels = near.view.id_column, near.labels
    if labels is None:
        return []
    at = near.events.filter(pl.col(key) == suspect.event_id)[near.time][0]
    known = labels.filter(pl.col(KNOWN_AT) < at).sort(KNOWN_AT, descending=True)
    none = _ids(near, [])
    since = [
        _Gone(f"labels known since {moment:%Y-%m-%d %H:%M:%S}", none, pl.col(KNOWN_AT) >= moment)
        for moment in known[KNOWN_AT].unique(maintain_order=True).head(CANDIDATES)
    ]
    single = [
        _Gone(f"the label of {event}", none, pl.col(key) == event)
        for event in known[key].unique(maintain_order=True).head(CANDIDATES)
    ]
    return since + single


def _event_candidates(near: Replay, suspect: Suspect, lost: Mapping[int | str, None]) -> list[_Gone]:
    key = near.view.id_column
    is_asked = pl.col(key) == suspect.event_id
    at = near.events.filter(is_asked)[near.time][0]
    earlier = near.events.filter(~is_asked, pl.col(near.time) <= at).sort(near.time, descending=True)
    known = [event for event in lost if event != suspect.event_id]
    others = [
        event for event in earlier[key].unique(maintain_order=True).head(CANDIDATES) if event not in lost
    ]
    return [
        _Gone("", _ids(near, [*known, *new]), pl.lit(value=False))
        for new in ([], *([event] for event in others))
    ]


def _first_match(near: Replay, suspect: Suspect, candidates: Sequence[_Gone]) -> _Gone | None:
    """The first candidate without whose rows the derived vector is the served one."""
    start, at_once = 0, 4
    while start < len(candidates):
        tried = candidates[start : start + at_once]
        for candidate, vector in zip(tried, _vectors(near, suspect, tried), strict=True):
            if is_same(vector, suspect.served).all():
                return candidate
        start += at_once
        at_once = max(1, min(2 * at_once, ROWS_AT_ONCE // near.events.height))
    return None


def _vectors(near: Replay, suspect: Suspect, candidates: Sequence[_Gone]) -> np.ndarray:
    """The suspect's vector in each copy, one row per candidate."""
    key, view = near.view.id_column, near.view
    entities = list(dict.fromkeys(feature.entity for feature in view.window_features))
    events, labels = [], []
    for number, gone in enumerate(candidates):
        tags = [pl.format("{}|{}", pl.lit(number), pl.col(name)).alias(name) for name in (key, *entities)]
        events.append(near.events.filter(~pl.col(key).is_in(gone.events.implode())).with_columns(tags))
        if near.labels is not None:
            labels.append(near.labels.filter(~gone.labels).with_columns(tags[0]))
    copies = replace(near, events=pl.concat(events), labels=pl.concat(labels) if labels else None)
    asked = pl.Series(key, [f"{number}|{suspect.event_id}" for number in range(len(candidates))])
    return copies.vectors(asked, suspect.names)
