"""A small feature view with every aggregation, and histories of events and labels for it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import strategies as st

from mlops_assets.core.features.expressions import col
from mlops_assets.core.features.view import FeatureView, RowFeature, WindowFeature
from mlops_assets_tests.support.features.window_oracle import EventVersion, LabelVersion

EPOCH = datetime(2024, 3, 30, tzinfo=UTC)
HOUR, TICK = timedelta(hours=1), timedelta(microseconds=1)
WINDOWS = (2 * HOUR, 5 * HOUR)


def window(
    name: str, entity: str, aggregation: str, column: str | None = None, **options: object
) -> WindowFeature:
    options = {"stream": "events", "windows": WINDOWS, "description": ""} | options
    return WindowFeature(
        f"{name}_{{window}}", entity=entity, aggregation=aggregation, column=column, **options
    )


LABEL = {"stream": "labels", "includes_current": False}
WINDOW_FEATURES = (
    window("count", "customer", "count"),
    window("count_others", "customer", "count", includes_current=False),
    window("count_amounts", "customer", "count", "amount"),
    window("count_delayed", "terminal", "count", delay=3 * HOUR),
    window("sum", "customer", "sum", "amount"),
    window("sum_others", "customer", "sum", "amount", includes_current=False, when_empty=0.0),
    window("mean", "terminal", "mean", "amount", decimals=1),
    window("mean_delayed", "terminal", "mean", "amount", delay=HOUR, includes_current=False),
    window("min", "customer", "min", "amount"),
    window("max_others", "customer", "max", "amount", includes_current=False),
    window("last", "customer", "last", "amount"),
    window("last_others", "terminal", "last", "amount", includes_current=False, when_empty=-1.0),
    window("distinct", "customer", "distinct", "terminal"),
    window("distinct_others", "customer", "distinct", "terminal", includes_current=False, delay=HOUR),
    window("labels", "terminal", "count", **LABEL),
    window("frauds", "terminal", "sum", "is_fraud", decimals=0, **LABEL),
    window("fraud_share", "terminal", "mean", "is_fraud", delay=3 * HOUR, when_empty=0.0, **LABEL),
    window("last_label", "customer", "last", "is_fraud", **LABEL),
)
ROW_FEATURES = (
    RowFeature("amount", col("amount"), "its amount"),
    RowFeature("ratio", col("amount") / col("mean_2h"), "amount over the terminal's mean"),
    RowFeature("is_weekend", col("event_timestamp").is_weekend(), ""),
)
VIEW = FeatureView("view", "id", "event_timestamp", (*WINDOW_FEATURES, *ROW_FEATURES))
TIME = pl.Datetime("us", "UTC")
EVENT_SCHEMA = {"id": pl.Int64, "event_timestamp": TIME, "known_at": TIME} | {
    "customer": pl.String,
    "terminal": pl.Int64,
    "amount": pl.Float64,
}
LABEL_SCHEMA = {"id": pl.Int64, "known_at": TIME, "is_fraud": pl.Int8}


def frames(events: list[EventVersion], labels: list[LabelVersion]) -> tuple[pl.DataFrame, pl.DataFrame]:
    return (
        pl.DataFrame([vars(event) for event in events], schema=EVENT_SCHEMA),
        pl.DataFrame([vars(label) for label in labels], schema=LABEL_SCHEMA),
    )


# Times on a coarse grid with steps of one microsecond around it: ties and rows exactly at a window's end are common.
times = st.builds(
    lambda hours, ticks: EPOCH + hours * HOUR + ticks * TICK,
    st.integers(0, 12),
    st.sampled_from([0, 0, 0, -1, 1]),
)
lateness = st.sampled_from([timedelta(0), timedelta(0), TICK, HOUR, 3 * HOUR, 6 * HOUR, -HOUR])
customers = st.sampled_from(["a", "b", None])
terminals = st.sampled_from([7, 10**12, None])
amounts = st.sampled_from([0.0, -0.0, 1.005, 2.675, -3.25, 10.0, None])


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[EventVersion], list[LabelVersion]]:
    events, labels = [], []
    for number in range(draw(st.integers(0, 12))):
        first = EventVersion(number, draw(times), EPOCH, draw(customers), draw(terminals), draw(amounts))
        first = replace(first, known_at=first.event_timestamp + draw(lateness))
        events.append(first)
        if draw(st.integers(0, 3)) == 0:
            correction = EventVersion(
                number,
                first.event_timestamp,
                first.known_at + draw(st.integers(1, 5)) * HOUR,
                draw(customers),
                draw(terminals),
                draw(amounts),
            )
            events.append(correction)
        known = first.event_timestamp
        for _ in range(draw(st.integers(0, 2))):
            known += draw(st.sampled_from([TICK, HOUR, 3 * HOUR]))
            labels.append(LabelVersion(number, known, draw(st.sampled_from([0, 1, None]))))
    if draw(st.booleans()):
        labels.append(LabelVersion(999, EPOCH, 1))
    repeats = draw(st.lists(st.sampled_from(events), max_size=2)) if events else []
    return draw(st.permutations(events + repeats)), draw(st.permutations(labels))


def event(number: int, hours: float, **values: object) -> EventVersion:
    at = EPOCH + timedelta(hours=hours)
    defaults = {"known_at": at, "customer": "a", "terminal": 7, "amount": 1.0}
    return EventVersion(number, at, **(defaults | values))
