"""Evidently's report of a window: the numbers of the verdict, written in one step."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mlops_assets.core.errors import MonitoringError
from mlops_assets.core.monitoring.drift.column import History
from mlops_assets.core.monitoring.drift.html import shown_rows, write_drift_html
from mlops_assets.core.monitoring.drift.report import DriftReport, judge_window, learn_columns
from mlops_assets.core.monitoring.evidently_page import differences_in
from mlops_assets.core.monitoring.profile import add, profile_column


def _frame(rows: int, *, seed: int, **replaced: np.ndarray | pl.Series) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    columns = {
        "amount_usd": rng.lognormal(3.5, 0.8, rows),
        "is_weekend": rng.integers(0, 2, rows),
        "constant": np.ones(rows),
        "score": rng.beta(1, 30, rows),
    }
    return pl.DataFrame(columns | replaced)


def _report(current: pl.DataFrame) -> DriftReport:
    past = [_frame(1000, seed=100 + number) for number in range(8)]
    profiles = {name: [profile_column(frame[name]) for frame in past] for name in past[0].columns}
    histories = {name: History(tuple(windows), add(windows), 4) for name, windows in profiles.items()}
    now = {name: profile_column(current[name]) for name in current.columns}
    return judge_window(learn_columns(histories, score="score"), now, lag=0, chance=0.001, minimum_rows=50)


def _written(
    current: pl.DataFrame, path: Path, *, maximum_rows: int = 5000
) -> tuple[DriftReport, Path | None]:
    report = _report(current)
    reference = _frame(1000, seed=1)
    return report, write_drift_html(report, reference, current, maximum_rows=maximum_rows, seed=0, path=path)


def test_the_page_shows_the_numbers_of_the_verdict_and_is_replaced_in_one_step(tmp_path: Path) -> None:
    nothing = pl.Series("x", [None] * 1000, dtype=pl.Float64)
    half = pl.Series("x", [None, 3.0] * 500, dtype=pl.Float64)
    path = tmp_path / "fraud_detection" / "drift" / "2018-08-01.html"
    path.parent.mkdir(parents=True)
    path.write_text("an earlier report")
    report, page = _written(_frame(1000, seed=2, is_weekend=nothing, constant=half), path)
    assert page == path
    text = path.read_text()
    for column in report.columns:
        for part in column.parts:
            if column.psi is not None:
                assert f"Actual value {part.moved:.3f} " in text
    assert "constant: share of missing rows that moved" in text
    assert report.reason in text
    assert "is_weekend: share" not in text
    assert [file.name for file in path.parent.iterdir()] == ["2018-08-01.html"]


def test_a_sample_is_drawn_and_what_cannot_be_drawn_is_named(tmp_path: Path) -> None:
    current = _frame(800, seed=2)
    _, page = _written(current, tmp_path / "report.html", maximum_rows=300)
    assert page is not None
    mean = shown_rows(current, ["amount_usd"], side="window", maximum_rows=300, seed=0)["amount_usd"].mean()
    assert f"current: {mean:.3f}" in page.read_text()
    with pytest.raises(MonitoringError, match="the window has no column shop"):
        shown_rows(current, ["shop"], side="window", maximum_rows=10, seed=0)
    words = current.with_columns(shop=pl.lit("a"))
    with pytest.raises(MonitoringError, match=r"no numbers: shop \(String\)"):
        shown_rows(words, ["shop"], side="window", maximum_rows=10, seed=0)


def test_a_mean_that_is_not_that_of_the_verdict_is_a_warning_on_the_page(tmp_path: Path) -> None:
    current = _frame(1000, seed=2)
    _, sampled = _written(current, tmp_path / "sampled.html", maximum_rows=300)
    assert sampled is not None
    assert differences_in(sampled) == ()
    other = current.with_columns(amount_usd=pl.col("amount_usd") * 2)
    page = write_drift_html(
        _report(current), _frame(1000, seed=1), other, maximum_rows=5000, seed=0, path=tmp_path / "other.html"
    )
    assert page is not None
    (told,) = differences_in(page)
    theirs, ours = (float(number) for number in re.findall(r"mean of (\d+\.\d+)", told))
    mean = current["amount_usd"].to_numpy().mean()
    assert told.startswith("amount_usd: Evidently shows a mean of ")
    assert theirs == pytest.approx(2 * mean, rel=1e-3)
    assert ours == pytest.approx(mean, rel=0.02)


def test_nothing_to_compare_writes_no_page(tmp_path: Path) -> None:
    _, page = _written(_frame(0, seed=2), tmp_path / "report.html")
    assert page is None
    assert list(tmp_path.iterdir()) == []
