"""What rules judge, read from real tables."""

from datetime import date, timedelta
from pathlib import Path

import polars as pl

from mlops_assets.core.alerts.evidence import evidence_version, latest_windows
from mlops_assets.core.alerts.rules import Rule
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import CommitInfo
from mlops_assets.core.monitoring.finding import findings_frame
from mlops_assets.core.times import UTC_TIME
from mlops_assets_tests.support.alerts.messages import NOON, finding

P = "fraud_detection"
COMMIT = CommitInfo(run_id="test")
DRIFT = Rule(name="drift", severity="info", topics=("drift",), of_windows=2)
LATENCY = Rule(name="latency", severity="info", topics=("service",), of_windows=2)


def verdicts(*days: int, topic: str = "drift") -> pl.DataFrame:
    return pl.concat(
        [
            findings_frame([finding(topic=topic)]).with_columns(event_date=pl.lit(date(2026, 5, day)))
            for day in days
        ]
    )


def test_where_nothing_was_written_there_is_nothing(tmp_path: Path) -> None:
    tables = DeltaTables(str(tmp_path))
    assert latest_windows(tables, P, [DRIFT, LATENCY]) == ()
    assert evidence_version(tables, P) == "None None"


def test_each_topic_has_its_latest_windows(tmp_path: Path) -> None:
    tables = DeltaTables(str(tmp_path))
    rows = pl.concat([verdicts(1, 5, 6, 7), verdicts(2, 3, topic="performance")])
    tables.append(P, "verdicts", rows, commit=COMMIT)
    assert [one.name[-2:] for one in latest_windows(tables, P, [DRIFT])] == ["02", "03", "06", "07"]
    before = evidence_version(tables, P)
    tables.append(P, "verdicts", verdicts(8), commit=COMMIT)
    assert evidence_version(tables, P) != before


def test_a_cohort_has_one_window(tmp_path: Path) -> None:
    tables = DeltaTables(str(tmp_path))
    tables.append(P, "verdicts", findings_frame([finding()]), commit=COMMIT)
    assert [one.name for one in latest_windows(tables, P, [DRIFT])] == ["all rows"]


def test_answers_are_windows_where_a_rule_watches_the_service(tmp_path: Path) -> None:
    tables = DeltaTables(str(tmp_path))
    at = [NOON, NOON - timedelta(hours=1), NOON - timedelta(days=40)]
    rows = pl.DataFrame(
        {
            "received_at": pl.Series(at, dtype=UTC_TIME),
            "latency_seconds": [0.3, 0.3, 9.0],
            "role": ["champion"] * 3,
            "error": pl.Series([None] * 3, dtype=pl.String),
            "event_date": [one.date() for one in at],
        }
    )
    tables.append(P, "served_predictions", rows, commit=COMMIT)
    assert latest_windows(tables, P, [DRIFT]) == ()
    found = latest_windows(tables, P, [DRIFT, LATENCY])
    assert [one.name for one in found] == ["2026-05-04T11:00Z", "2026-05-04T12:00Z"]
    assert "2 answers within the 24 hours" in found[-1].findings[0].reason
