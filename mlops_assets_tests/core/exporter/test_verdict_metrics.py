"""What monitoring found, as numbers of a bounded number of series."""

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from mlops_assets.core.exporter import verdict_metrics
from mlops_assets.core.exporter.verdict_metrics import METRICS, NewestFindings, verdict_samples
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import CommitInfo
from mlops_assets.core.monitoring.finding import Finding, findings_frame
from mlops_assets_tests.support.alerts.messages import finding
from mlops_assets_tests.support.exporter import numbers

COMMIT = CommitInfo(run_id="test")
LABELS = {"auc", "amount_usd", "hour"}


def window(day: int, *findings: Finding) -> pl.DataFrame:
    return findings_frame(findings).with_columns(event_date=pl.lit(date(2026, 5, day)))


def found(*windows: pl.DataFrame, tmp_path: Path) -> dict[tuple[str, ...], float]:
    tables = DeltaTables(str(tmp_path))
    tables.append("shop", "verdicts", pl.concat(windows), commit=COMMIT)
    return numbers(verdict_samples("shop", NewestFindings(tables).of("shop"), declared=LABELS))


def test_where_nothing_was_judged_there_is_nothing(tmp_path: Path) -> None:
    assert NewestFindings(DeltaTables(str(tmp_path))).of("shop").is_empty()
    assert list(verdict_samples("shop", pl.DataFrame(), declared=LABELS)) == []


def test_each_topic_is_counted_in_its_own_newest_window(tmp_path: Path) -> None:
    shown = found(
        window(3, finding(topic="performance", subject="auc", state="ok", value=0.9, limit=0.85)),
        window(8, finding(), finding(subject="hour", state="inconclusive"), finding(subject="hour 2", state="ok")),
        window(7, finding(state="ok"), finding(subject="hour", state="ok")),
        tmp_path=tmp_path,
    )  # fmt: skip
    states = {key[2:]: value for key, value in shown.items() if key[0] == "mlops_verdict_findings"}
    assert states == {
        ("performance", "ok"): 1, ("performance", "inconclusive"): 0, ("performance", "alarm"): 0,
        ("drift", "ok"): 1, ("drift", "inconclusive"): 1, ("drift", "alarm"): 1,
    }  # fmt: skip
    ends = {key[2]: value for key, value in shown.items() if "window_end" in key[0]}
    assert ends == {
        "performance": datetime(2026, 5, 4, tzinfo=UTC).timestamp(),
        "drift": datetime(2026, 5, 9, tzinfo=UTC).timestamp(),
    }
    assert shown["mlops_verdict_value", "shop", "performance", "auc"] == 0.9
    assert shown["mlops_verdict_limit", "shop", "performance", "auc"] == 0.85


def test_a_subject_that_no_declaration_bounds_is_counted_and_not_named(tmp_path: Path) -> None:
    slices = [finding(subject=f"customer {n}", value=1.0) for n in range(50)]
    shown = found(window(8, finding(value=0.4), *slices), tmp_path=tmp_path)
    assert [key[3] for key in shown if key[0] == "mlops_verdict_value"] == ["amount_usd"]
    assert shown["mlops_verdict_subjects_left_out", "shop"] == 50
    assert shown["mlops_verdict_findings", "shop", "drift", "alarm"] == 51


def test_of_several_findings_about_a_subject_the_weightiest_is_shown(tmp_path: Path) -> None:
    several = [finding(value=n / 10, consequence=c) for n, c in ((1, 0.1), (2, 0.9), (3, None))]
    shown = found(window(8, *several), tmp_path=tmp_path)
    assert shown["mlops_verdict_value", "shop", "drift", "amount_usd"] == 0.2
    assert shown["mlops_verdict_subjects_left_out", "shop"] == 0


def test_a_broken_source_is_counted_apart(tmp_path: Path) -> None:
    faults = [finding(topic="data_quality", cause="broken"), finding(topic="data_quality", cause="changed")]
    shown = found(window(8, *faults), tmp_path=tmp_path)
    assert shown["mlops_verdict_broken_findings", "shop", "data_quality"] == 1


def test_no_more_subjects_than_stated_have_a_series(tmp_path: Path) -> None:
    names = {f"column_{n:03d}" for n in range(verdict_metrics.MAXIMUM_SUBJECTS + 5)}
    rows = window(8, *(finding(subject=name, value=1.0) for name in sorted(names)))
    shown = numbers(verdict_samples("shop", rows, declared=names))
    values = [key for key in shown if key[0] == "mlops_verdict_value"]
    assert len(values) == verdict_metrics.MAXIMUM_SUBJECTS
    assert shown["mlops_verdict_subjects_left_out", "shop"] == 5


def test_every_metric_has_a_value_where_monitoring_speaks(tmp_path: Path) -> None:
    shown = found(window(8, finding(value=0.4, limit=0.2)), tmp_path=tmp_path)
    assert {key[0] for key in shown} == {metric.name for metric in METRICS}


def test_the_table_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    tables = DeltaTables(str(tmp_path))
    newest = NewestFindings(tables)
    tables.append("shop", "verdicts", window(8, finding()), commit=COMMIT)
    assert newest.of("shop").height == 1
    assert newest.of("shop") is newest.of("shop")
    tables.append("shop", "verdicts", window(9, finding(), finding(subject="hour")), commit=COMMIT)
    assert newest.of("shop").height == 2


def test_a_table_without_days_is_one_window(tmp_path: Path) -> None:
    tables = DeltaTables(str(tmp_path))
    tables.append("shop", "verdicts", findings_frame([finding()]), commit=COMMIT)
    shown = numbers(verdict_samples("shop", NewestFindings(tables).of("shop"), declared=LABELS))
    assert shown["mlops_verdict_findings", "shop", "drift", "alarm"] == 1
    assert not any("window_end" in key[0] for key in shown)
