"""Why served vectors differ from derived ones: known kinds of skew are tried, and those that explain most are named.

A kind of skew explains a request when the offline executor, made wrong in that way, derives exactly the vector that was
served.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from mlops_assets.core.features.online.seen_events import IS_CAPTURED
from mlops_assets.core.features.view import FeatureView, WindowFeature
from mlops_assets.core.parity.lost_rows import lost_events, stale_labels
from mlops_assets.core.parity.replay import Replay
from mlops_assets.core.parity.suspect import Explanation, Suspect, is_same
from mlops_assets.core.times import KNOWN_AT

NOT_EXAMINED = "not examined: the differing requests that were looked into agree in this feature"
UNEXPLAINED = "unexplained"
MICROSECOND, SECOND, HOUR, DAY = (
    timedelta(**{unit: 1}) for unit in ("microseconds", "seconds", "hours", "days")
)
HOURS = range(-14, 15)
"""Offsets of the world's time zones and their differences from UTC."""


@dataclass(frozen=True)
class SkewedWindow(WindowFeature):
    """A window feature whose windows are longer than declared by `offset`, under the declared names."""

    offset: timedelta = timedelta(0)

    def feature_name(self, window: timedelta) -> str:
        """Name of the declared feature."""
        return super().feature_name(window - self.offset)


def diagnose(replay: Replay, suspects: Sequence[Suspect]) -> dict[str, str]:
    """Say per differing feature which skews explain it and how many of the examined requests they explain."""
    if not suspects:
        return {}
    near = replay.about(_ids(replay, suspects))
    found: list[Explanation] = []
    for tried in _global_skews(near, suspects):
        found += [tried] if tried.explains else []
        if len(tried.explains) == len(suspects):  # no later one is preferred to it
            break
    for search in (stale_labels, lost_events) if replay.view.window_features else ():
        if max((len(e.explains) for e in found), default=0) < len(suspects):
            found += [e for e in (search(near, suspects),) if e.explains]
    return _words(suspects, _cover(found, len(suspects)))


def _words(suspects: Sequence[Suspect], cover: Sequence[Explanation]) -> dict[str, str]:
    words: dict[str, str] = {}
    for name in dict.fromkeys(name for suspect in suspects for name in suspect.names):
        wrong = {place for place, suspect in enumerate(suspects) if name in suspect.wrong}
        if not wrong:
            continue
        parts = [(f"{e.skew}: {e.words}", len(e.explains & wrong)) for e in cover]
        parts.append((UNEXPLAINED, len(wrong) - sum(count for _, count in parts)))
        parts.sort(key=lambda part: -part[1])
        words[name] = "; ".join(f"{text} ({n} of {len(wrong)} examined)" for text, n in parts if n)
    return words


def _cover(found: Sequence[Explanation], count: int) -> list[Explanation]:
    """Choose the explanation of most suspects, then of most of those that are left; of equals the first."""
    left, chosen = frozenset(range(count)), []
    while left:
        best = max(found, key=lambda e: len(e.explains & left), default=None)
        if best is None or not best.explains & left:
            break
        chosen.append(replace(best, explains=best.explains & left))
        left -= best.explains
    return chosen


def _ids(replay: Replay, suspects: Sequence[Suspect]) -> pl.Series:
    dtype = replay.events.schema[replay.view.id_column]
    return pl.Series(replay.view.id_column, [suspect.event_id for suspect in suspects], dtype=dtype)


def _explained(
    replay: Replay,
    suspects: Sequence[Suspect],
    cast: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]] = lambda vectors: vectors,
) -> frozenset[int]:
    """Places of the suspects whose served vector is what `replay` derives."""
    names = list(dict.fromkeys(name for suspect in suspects for name in suspect.names))
    vectors = cast(replay.vectors(_ids(replay, suspects), names))
    column = {name: position for position, name in enumerate(names)}
    matches = set()
    for place, suspect in enumerate(suspects):
        derived = vectors[place, [column[name] for name in suspect.names]]
        if is_same(derived, suspect.served).all():
            matches.add(place)
    return frozenset(matches)


def _global_skews(replay: Replay, suspects: Sequence[Suspect]) -> Iterator[Explanation]:
    """Try the skews that hit every request alike."""

    def to_float32(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return vectors.astype(np.float32).astype(np.float64)

    yield Explanation(
        "float32 cast", "the vectors agree when rounded to 32 bits", _explained(replay, suspects, to_float32)
    )
    if replay.view.event_timestamp is None:
        return
    key = pl.col(replay.view.id_column)
    captured = replay.events.filter(IS_CAPTURED)[replay.view.id_column].implode()
    ids = _ids(replay, suspects).implode()
    for hours in filter(None, HOURS):
        offset = f"{hours:+d} h"
        for whose, rows in (
            ("all captured events", key.is_in(captured)),
            ("the request alone", key.is_in(ids)),
        ):
            shifted = _shifted(replay, rows, hours * HOUR)
            yield Explanation(
                "time zone",
                f"the event time of {whose} was shifted by {offset}",
                _explained(shifted, suspects),
            )
    for words, variant in _window_variants(replay):
        yield Explanation("off-by-one window", words, _explained(variant, suspects))


def _shifted(replay: Replay, rows: pl.Expr, by: timedelta) -> Replay:
    time = pl.col(replay.time)
    events = replay.events.with_columns(pl.when(rows).then(time + by).otherwise(time).alias(replay.time))
    return replace(replay, events=events)


def _window_variants(replay: Replay) -> Iterator[tuple[str, Replay]]:
    """Windows that begin, end or know a step too early or too late: all at once, then one declaration at a time."""
    steps = {"1 µs": MICROSECOND, "1 s": SECOND, "1 day": DAY}
    ends = {MICROSECOND: " (its far end is closed)"}
    view, declared = replay.view, replay.view.window_features
    chosen: list[tuple[str, tuple[WindowFeature, ...]]] = [("every window", declared)]
    chosen += [(feature.name, (feature,)) for feature in declared]
    for whose, features in chosen:
        for text, step in steps.items():
            for sign, direction in ((1, "longer"), (-1, "shorter")):
                note = ends.get(sign * step, "")
                changed = {
                    f: _longer(f, sign * step)
                    for f in features
                    if min(f.windows) + sign * step > timedelta(0)
                }
                yield f"{whose} is {text} {direction}{note}", replace(replay, view=_with(view, changed))
            for sign, direction in ((-1, "later"), (1, "earlier")):
                changed = {
                    f: replace(f, delay=f.delay + sign * step)
                    for f in features
                    if f.delay + sign * step >= timedelta(0)
                }
                yield f"{whose} ends {text} {direction}", replace(replay, view=_with(view, changed))
    known = pl.col(KNOWN_AT) - MICROSECOND
    labels = None if replay.labels is None else replay.labels.with_columns(known)
    yield (
        "rows that became known at the very instant are seen",
        replace(replay, events=replay.events.with_columns(known), labels=labels),
    )


def _longer(feature: WindowFeature, offset: timedelta) -> WindowFeature:
    fields = {name: getattr(feature, name) for name in feature.__dataclass_fields__}
    windows = tuple(window + offset for window in feature.windows)
    return SkewedWindow(**{**fields, "windows": windows}, offset=offset)


def _with(view: FeatureView, changed: Mapping[WindowFeature, WindowFeature]) -> FeatureView:
    features = tuple(changed.get(f, f) if isinstance(f, WindowFeature) else f for f in view.features)
    return replace(view, features=features)
