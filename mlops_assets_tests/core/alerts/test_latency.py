"""The p99 of answers: believed where enough of them say so."""

from datetime import timedelta

import polars as pl
import pytest

from mlops_assets.core.alerts.latency import latency_windows
from mlops_assets.core.alerts.rules import LATENCY_SUBJECT
from mlops_assets.core.times import UTC_TIME
from mlops_assets_tests.support.alerts.messages import NOON


def answers(milliseconds: list[float], *, hour: float = 0, role: str = "champion", error: str | None = None):
    at = [NOON + timedelta(hours=hour, milliseconds=number) for number in range(len(milliseconds))]
    return pl.DataFrame(
        {
            "received_at": pl.Series(at, dtype=UTC_TIME),
            "latency_seconds": [one / 1000 for one in milliseconds],
            "role": [role] * len(at),
            "error": pl.Series([error] * len(at), dtype=pl.String),
        }
    )


@pytest.mark.parametrize(
    ("milliseconds", "state"),
    [
        ([10.0] * 990 + [150.0] * 10, "ok"),
        ([10.0] * 960 + [300.0] * 40, "alarm"),
        ([10.0] * 990 + [300.0] * 10, "inconclusive"),  # one in a hundred: the limit lies inside the interval
        ([10.0] * 100, "inconclusive"),  # too few to say that one in a hundred is not slower
        ([300.0] * 20, "alarm"),
    ],
)
def test_a_window_is_judged_where_its_interval_lies_on_one_side(
    milliseconds: list[float], state: str
) -> None:
    (window,) = latency_windows(answers(milliseconds), windows=1)
    (found,) = window.findings
    assert (window.name, found.topic, found.subject, found.state) == (
        "2026-05-04T12:00Z",
        "service",
        LATENCY_SUBJECT,
        state,
    )
    assert f"{len(milliseconds):,} answers" in found.reason


def test_a_window_reaches_back_until_it_has_enough_answers() -> None:
    rows = pl.concat([answers([10.0] * 150, hour=hour) for hour in (-3, -2, 0)])
    (window,) = latency_windows(rows, windows=1)
    assert "450 answers within the 6 hours" in window.findings[0].reason
    assert window.findings[0].state == "ok"
    assert [one.name[-6:] for one in latency_windows(rows, windows=2)] == ["10:00Z", "12:00Z"]


def test_events_of_one_request_count_once_and_what_nobody_waited_for_not_at_all() -> None:
    rows = pl.concat(
        [
            answers([10.0] * 400),
            answers([10.0] * 400),
            answers([9000.0] * 50, role="shadow"),
            answers([9000.0] * 50, error="it failed"),
        ]
    )
    (window,) = latency_windows(rows, windows=5)
    assert window.findings[0].state == "ok"
    assert "400 answers" in window.findings[0].reason
    assert latency_windows(rows.clear(), windows=1) == ()
