"""Where reports live and which are old."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mlops_assets.core.errors import MonitoringError
from mlops_assets.core.files import replace_file
from mlops_assets.core.monitoring.reports import plan_report_retention, report_path

NOW = datetime(2018, 10, 1, tzinfo=UTC)


def _report(root: Path, window: str, *, days_old: float) -> Path:
    path = report_path(root, product="fraud_detection", kind="drift", window=window)
    replace_file(path, lambda partial: partial.write_text("<html>"))
    modified = (NOW - timedelta(days=days_old)).timestamp()
    os.utime(path, (modified, modified))
    return path


def test_reports_older_than_the_policy_are_listed_oldest_first_and_none_is_deleted(tmp_path: Path):
    oldest, old = _report(tmp_path, "a", days_old=300), _report(tmp_path, "b", days_old=181)
    young = _report(tmp_path, "c", days_old=179)
    plan = plan_report_retention(tmp_path, now=NOW, keep_days=180)
    assert [report.path for report in plan] == [oldest, old]
    assert plan[0].size_bytes == len("<html>")
    assert all(path.exists() for path in (oldest, old, young))


def test_a_folder_that_was_never_made_has_nothing_to_delete(tmp_path: Path):
    assert plan_report_retention(tmp_path / "missing", now=NOW, keep_days=1) == ()


@pytest.mark.parametrize("part", ["", "..", "a/b", ".hidden"])
def test_a_part_that_would_leave_the_folder_is_refused(tmp_path: Path, part: str):
    with pytest.raises(MonitoringError, match="plain name"):
        report_path(tmp_path, product="fraud_detection", kind="drift", window=part)
