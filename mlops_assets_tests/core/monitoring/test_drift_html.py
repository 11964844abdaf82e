"""Evidently's report of a window: the numbers of the verdict, written in one step."""

from pathlib import Path

import numpy as np
import polars as pl

from mlops_assets.core.monitoring.drift import drift_report
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


def test_the_report_for_people_shows_the_numbers_of_the_verdict_and_is_replaced_in_one_step(tmp_path: Path):
    nothing = pl.Series("x", [None] * 1000, dtype=pl.Float64)
    html = tmp_path / "fraud_detection" / "drift" / "2018-08-01.html"
    html.parent.mkdir(parents=True)
    html.write_text("an earlier report")
    report = drift_report(
        _frame(1000, seed=1),
        _frame(1000, seed=2, is_weekend=nothing),
        feature_names=FEATURES,
        score="score",
        monitoring=MONITORING,
        seed=0,
        html=html,
    )
    assert report.html == html
    text = html.read_text()
    assert "PSI (deciles of the reference)" in text
    assert "amount_usd" in text
    assert [path.name for path in html.parent.iterdir()] == ["2018-08-01.html"]


def test_nothing_to_compare_writes_no_report(tmp_path: Path):
    report = drift_report(
        _frame(1000, seed=1),
        _frame(0, seed=2),
        feature_names=FEATURES,
        score="score",
        monitoring=MONITORING,
        seed=0,
        html=tmp_path / "report.html",
    )
    assert report.html is None
    assert list(tmp_path.iterdir()) == []
