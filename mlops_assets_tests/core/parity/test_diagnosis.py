"""Skews that hit every request alike are named."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from mlops_assets.core.features.online.seen_events import IS_CAPTURED
from mlops_assets.core.features.view import FeatureView, WindowFeature
from mlops_assets_tests.support.parity.served_requests import VIEW, ServedRequests, leading_diagnosis

HOUR = timedelta(hours=1)


def longer(view: FeatureView, by: timedelta) -> FeatureView:
    """The view with longer windows under the same names."""

    class Longer(WindowFeature):
        def feature_name(self, window: timedelta) -> str:
            return super().feature_name(window - by)

    def change(feature: WindowFeature) -> WindowFeature:
        fields = {name: getattr(feature, name) for name in feature.__dataclass_fields__}
        return Longer(**{**fields, "windows": tuple(window + by for window in feature.windows)})

    return replace(
        view, features=tuple(change(f) if isinstance(f, WindowFeature) else f for f in view.features)
    )


def test_a_float32_cast_is_named(requests: ServedRequests) -> None:
    vectors = requests.served().astype(np.float32).astype(np.float64)
    assert leading_diagnosis(requests, vectors).startswith("float32 cast")


@pytest.mark.parametrize("hours", [-5, 2])
def test_a_time_zone_is_named_with_its_hours(requests: ServedRequests, hours: int) -> None:
    events = requests.replay.events
    moved = events.with_columns(
        pl.when(IS_CAPTURED).then(pl.col("event_timestamp") + hours * HOUR).otherwise("event_timestamp")
        .alias("event_timestamp")
    )  # fmt: skip
    diagnosis = leading_diagnosis(requests, requests.seen_with(events=moved))
    assert diagnosis.startswith(
        f"time zone: the event time of all captured events was shifted by {hours:+d} h"
    )


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (timedelta(microseconds=1), "every window is 1 µs longer (its far end is closed)"),
        (timedelta(days=1), "every window is 1 day longer"),
    ],
)
def test_an_off_by_one_window_is_named(requests: ServedRequests, step: timedelta, words: str) -> None:
    diagnosis = leading_diagnosis(requests, requests.seen_with(view=longer(VIEW, step)))
    assert diagnosis.startswith(f"off-by-one window: {words}")
