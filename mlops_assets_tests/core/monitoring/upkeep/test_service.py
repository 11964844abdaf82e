"""Latency and failures of a window."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from mlops_assets.core.monitoring.finding import Finding
from mlops_assets.core.monitoring.upkeep.service import (
    FAILURES_SUBJECT,
    P99_SUBJECT,
    SERVICE_COLUMNS,
    service_findings,
)

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


def _answers(count: int, milliseconds: float, *, role: str = "champion", failed: int = 0) -> pl.DataFrame:
    rows = [
        (
            NOON + timedelta(milliseconds=number),
            milliseconds / 1000,
            role,
            "no store" if number < failed else None,
        )
        for number in range(count)
    ]
    return pl.DataFrame(rows, schema=SERVICE_COLUMNS, orient="row")


def _by_subject(answers: pl.DataFrame) -> dict[str, Finding]:
    return {finding.subject: finding for finding in service_findings(answers)}


@pytest.mark.parametrize(
    ("count", "milliseconds", "state"),
    [(1000, 20.0, "ok"), (1000, 300.0, "alarm"), (50, 20.0, "inconclusive")],
)
def test_a_p99_is_believed_where_enough_answers_say_so(count: int, milliseconds: float, state: str) -> None:
    finding = _by_subject(_answers(count, milliseconds))[P99_SUBJECT]
    assert (finding.state, finding.value) == (state, milliseconds)


@pytest.mark.parametrize(
    ("failed", "state"), [(0, "ok"), (8, "inconclusive"), (30, "alarm"), (1000, "alarm")]
)
def test_a_share_of_failures_alarms_above_one_in_a_hundred(failed: int, state: str) -> None:
    finding = _by_subject(_answers(1000, 20.0, failed=failed))[FAILURES_SUBJECT]
    assert (finding.state, finding.value) == (state, failed / 1000)


def test_what_a_shadow_scored_and_a_window_without_answers_say_nothing() -> None:
    both = pl.concat([_answers(1000, 20.0), _answers(1000, 900.0, role="shadow", failed=900)])
    assert {one.state for one in service_findings(both)} == {"ok"}
    assert service_findings(_answers(0, 1.0)) == ()
    assert {one.subject for one in service_findings(_answers(9, 1.0, failed=9))} == {FAILURES_SUBJECT}
