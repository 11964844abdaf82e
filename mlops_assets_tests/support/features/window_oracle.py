"""The definition of window features, word for word, in pure Python: one event at a time, every row looked at."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mlops_assets.core.features.view import FeatureView, WindowFeature


@dataclass(frozen=True)
class EventVersion:
    """One version of an event."""

    id: int
    event_timestamp: datetime
    known_at: datetime
    customer: str | None
    terminal: int | None
    amount: float | None


@dataclass(frozen=True)
class LabelVersion:
    """One version of a label."""

    id: int
    known_at: datetime
    is_fraud: int | None


@dataclass(frozen=True)
class Seen:
    """A row as one event sees it."""

    id: int
    event_timestamp: datetime
    values: dict[str, object]


def window_features(
    view: FeatureView, events: Sequence[EventVersion], labels: Sequence[LabelVersion]
) -> dict[int, dict[str, float | int | None]]:
    """Feature values by event id."""
    result: dict[int, dict[str, float | int | None]] = {}
    for event in events:
        if any(other.id == event.id and other.known_at < event.known_at for other in events):
            continue
        result[event.id] = {
            feature.feature_name(window): _aggregate(feature, window, event, events, labels)
            for feature in view.window_features
            for window in feature.windows
        }
    return result


def _aggregate(
    feature: WindowFeature,
    window: timedelta,
    event: EventVersion,
    events: Sequence[EventVersion],
    labels: Sequence[LabelVersion],
) -> float | int | None:
    key = getattr(event, feature.entity)
    if key is None:
        return None
    at = event.event_timestamp
    rows: list[Seen] = []
    for version in _newest_known(events, at):
        row_values: dict[str, object] = {"amount": version.amount, "terminal": version.terminal}
        if feature.stream == "labels":
            matching = [label for label in _newest_known(labels, at) if label.id == version.id]
            if not matching:
                continue
            row_values = {"is_fraud": matching[0].is_fraud}
        is_inside = at - feature.delay - window < version.event_timestamp < at - feature.delay
        if getattr(version, feature.entity) == key and is_inside:
            rows.append(Seen(version.id, version.event_timestamp, row_values))
    if feature.includes_current:
        rows.append(Seen(event.id, at, {"amount": event.amount, "terminal": event.terminal}))
    return _value(feature, rows)


def _newest_known(versions: Sequence, at: datetime) -> list:
    known = [version for version in versions if version.known_at < at]
    newest = {}
    for version in sorted(known, key=lambda v: v.known_at):
        newest[version.id] = version
    return list(newest.values())


def _value(feature: WindowFeature, rows: list[Seen]) -> float | int | None:
    if feature.column is None:
        return len(rows)
    rows = [row for row in rows if row.values[feature.column] is not None]
    values = [row.values[feature.column] for row in rows]
    if feature.aggregation == "count":
        return len(values)
    if feature.aggregation == "distinct":
        return len(set(values))
    if not values:
        return feature.when_empty
    if feature.aggregation == "last":
        return float(max(rows, key=lambda row: (row.event_timestamp, row.id)).values[feature.column])
    if feature.aggregation in ("min", "max"):
        return float({"min": min, "max": max}[feature.aggregation](values))
    total = sum(round(float(value) * 10.0**feature.decimals) for value in values)
    count = len(values) if feature.aggregation == "mean" else 1
    return float(total) / float(count * 10**feature.decimals)
