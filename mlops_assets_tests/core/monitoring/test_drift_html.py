"""Evidently's report of a window: the numbers of the verdict, written in one step."""

from pathlib import Path

import numpy as np
import polars as pl

from mlops_assets.core.monitoring.drift import DriftReport, drift_report
from mlops_assets.core.monitoring.drift_html import write_drift_html
from mlops_assets.core.product_spec import Monitoring

FEATURES = ["amount_usd", "is_weekend", "terminal_fraud_share_7d", "constant"]
MONITORING = Monitoring()


def _frame(rows: int, *, seed: int, **replaced: np.ndarray | pl.Series) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    columns = {
        "amount_usd": rng.lognormal(3.5, 0.8, rows),
        "is_weekend": rng.integers(0, 2, rows),
        "terminal_fraud_share_7d": np.where(rng.random(rows) < 0.95, 0.0, rng.random(rows)),
        "constant": np.ones(rows),
        "score": rng.beta(1, 30, rows),
    }
    return pl.DataFrame(columns | replaced)


def written(reference: pl.DataFrame, current: pl.DataFrame, path: Path) -> tuple[DriftReport, Path | None]:
    report = drift_report(
        reference, current, feature_names=FEATURES, score="score", monitoring=MONITORING, seed=0
    )
    return report, write_drift_html(report, reference, current, monitoring=MONITORING, seed=0, path=path)


def test_the_page_shows_the_numbers_of_the_verdict_and_is_replaced_in_one_step(tmp_path: Path):
    nothing = pl.Series("x", [None] * 1000, dtype=pl.Float64)
    half = pl.Series("x", [None, 3.0] * 500, dtype=pl.Float64)
    path = tmp_path / "fraud_detection" / "drift" / "2018-08-01.html"
    path.parent.mkdir(parents=True)
    path.write_text("an earlier report")
    report, page = written(
        _frame(1000, seed=1), _frame(1000, seed=2, is_weekend=nothing, constant=half), path
    )
    assert page == path
    text = path.read_text()
    shown = {column.column: column for column in report.columns}
    for name in ("amount_usd", "constant", "terminal_fraud_share_7d", "score"):
        assert f"{name}: PSI (deciles of the reference)" in text
        assert f"Actual value {shown[name].psi:.3f} " in text
    assert "constant: PSI of missing against present" in text
    assert f"Actual value {shown['constant'].missing_psi:.3f} >= {MONITORING.psi_threshold:.3f}" in text
    assert report.reason in text
    assert "is_weekend: PSI" not in text
    assert [file.name for file in path.parent.iterdir()] == ["2018-08-01.html"]


def test_the_page_is_made_of_the_rows_that_the_verdict_saw(tmp_path: Path):
    few = MONITORING.model_copy(update={"maximum_rows": 300})
    reference, current = _frame(1000, seed=1), _frame(800, seed=2)
    report = drift_report(reference, current, feature_names=FEATURES, score="score", monitoring=few, seed=0)
    page = write_drift_html(report, reference, current, monitoring=few, seed=0, path=tmp_path / "report.html")
    mean = next(column.mean_current for column in report.columns if column.column == "amount_usd")
    assert page is not None
    assert f"current: {mean:.3f}" in page.read_text()


def test_nothing_to_compare_writes_no_page(tmp_path: Path):
    _, page = written(_frame(1000, seed=1), _frame(0, seed=2), tmp_path / "report.html")
    assert page is None
    assert list(tmp_path.iterdir()) == []
