"""A difference between Evidently's numbers and ours is a line on its page, and fails nothing."""

import logging
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from evidently import DataDefinition, Dataset, Report
from evidently.core.report import Snapshot
from evidently.metrics import MeanValue

from mlops_assets.core.monitoring.evidently_page import differences_in, save_page
from mlops_assets.core.monitoring.reports import plan_report_retention


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    data = Dataset.from_pandas(
        pd.DataFrame({"a": [1.0, 2.0]}), data_definition=DataDefinition(numerical_columns=["a"])
    )
    return Report([MeanValue(column="a", tests=[])], include_tests=False).run(data, data)


def test_differences_are_shown_escaped_logged_and_read_back(
    snapshot: Snapshot, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    page = tmp_path / "drift_report" / "2018-05-31.html"
    told = ("a <b>: 1 & 2", "recall 0.5, 0.6 served")
    with caplog.at_level(logging.WARNING):
        assert save_page(snapshot, page, told) == page
    text = page.read_text()
    assert "<body><aside" in text
    assert "a &lt;b&gt;: 1 &amp; 2" in text
    assert differences_in(page) == told
    assert len(caplog.records) == 2
    save_page(snapshot, page, ())
    assert differences_in(page) == ()
    assert [one.name for one in page.parent.iterdir()] == [page.name]


def test_a_page_that_is_not_there_shows_no_difference(tmp_path: Path) -> None:
    assert differences_in(tmp_path / "none.html") == ()


def test_the_program_of_all_pages_of_a_product_is_stored_once(snapshot: Snapshot, tmp_path: Path) -> None:
    pages = [
        save_page(snapshot, tmp_path / kind / f"{day}.html", ())
        for kind in ("drift_report", "performance_report")
        for day in ("2018-05-30", "2018-05-31")
    ]
    (program,) = tmp_path.glob("*.js")
    assert program.stat().st_size > 1_000_000
    for page in pages:
        assert page.stat().st_size < 500_000
        assert f'src="../{program.name}"' in page.read_text()
    whole = snapshot.get_html_str(as_iframe=False)
    assert program.read_text(encoding="utf-8") in whole


def test_data_of_a_page_stay_in_it_however_many_they_are(tmp_path: Path) -> None:
    many = pd.DataFrame({f"column_{number}": np.arange(300.0) for number in range(200)})
    data = Dataset.from_pandas(many, data_definition=DataDefinition(numerical_columns=list(many)))
    large = Report([MeanValue(column=name, tests=[]) for name in many], include_tests=False).run(data, data)
    page = save_page(large, tmp_path / "drift_report" / "2018-05-31.html", ())
    assert page.stat().st_size > 500_000
    (program,) = tmp_path.glob("*.js")
    assert program.stat().st_size > 1_000_000


def test_the_program_goes_with_the_last_page_that_needs_it(snapshot: Snapshot, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    pages = [save_page(snapshot, tmp_path / "p" / "drift_report" / f"{day}.html", ()) for day in ("1", "2")]
    (program,) = tmp_path.glob("p/*.js")
    left = program.with_name(f".{program.name}.17.partial")
    left.touch()
    for path in (*pages, program, left):
        os.utime(path, (0, 0))
    save_page(snapshot, pages[1], ())
    assert {one.path for one in plan_report_retention(tmp_path, now=now, keep_days=30)} == {pages[0], left}
    later = now + timedelta(days=31)
    gone = {one.path for one in plan_report_retention(tmp_path, now=later, keep_days=30)}
    assert gone == {*pages, program, left}
