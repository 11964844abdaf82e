"""import io"""

import io
from datetime import date, timedelta

import numpy as np
import polars as pl
from PIL import Image

from mlops_assets.core.plots import overview as plots
from mlops_assets_tests.support.evaluated import simulated_rows

LARGEST_BYTES = 60_000


def check_picture(png: bytes) -> None:
    """It is a small PNG of the platform's width on which something is drawn."""
    assert len(png) < LARGEST_BYTES
    picture = Image.open(io.BytesIO(png))
    assert (picture.format, picture.width) == ("PNG", 630)
    assert len(picture.convert("RGB").getcolors(maxcolors=100_000) or []) > 20


def days(count: int) -> list[date]:
    return [date(2018, 4, 1) + timedelta(days=k) for k in range(count)]


def test_rows_per_day_are_drawn_with_and_without_rejected_ones():
    counts = pl.DataFrame({"event_date": days(30), "rows": range(100, 130)})
    alone = plots.rows_per_day(counts)
    check_picture(alone)
    rejected = plots.rows_per_day(counts.with_columns(pl.lit(5).alias("rejected")))
    check_picture(rejected)
    assert alone != rejected
    check_picture(plots.rows_per_day(counts.head(1)))
    check_picture(plots.rows_per_day(counts.clear()))


def test_reasons_of_rejection_are_drawn():
    summary = pl.DataFrame(
        {"column": ["amount", ""], "check": ["in_range(0, 10000)", "unique"], "rows": [7, 2]}
    )
    check_picture(plots.rejection_reasons(summary, rows=100))
    check_picture(plots.rejection_reasons(summary.clear(), rows=100))


def test_features_of_every_kind_are_drawn():
    generator = np.random.default_rng(0)
    features = pl.DataFrame(
        {
            "amount": generator.exponential(50, 500),
            "is_night": pl.Series(generator.integers(0, 2, 500), dtype=pl.Int8),
            "constant": np.ones(500),
            "never_known": pl.Series([None] * 500, dtype=pl.Float64),
            "a_name_that_is_far_too_long_for_its_place": generator.normal(size=500),
        }
    )
    check_picture(plots.feature_histograms(features))
    check_picture(plots.feature_histograms(features.clear()))
    check_picture(
        plots.feature_histograms(pl.DataFrame({f"f{k}": generator.normal(size=50) for k in range(40)}))
    )


def test_drift_is_drawn_also_when_no_column_was_compared():
    columns = pl.DataFrame(
        {
            "column": ["amount", "score", "sex"],
            "verdict": ["drift", "stable", "inconclusive"],
            "moved": [0.5, 0.01, None],
            "limit": [0.1, 0.1, None],
            "consequence": [0.3, 0.01, None],
        }
    )
    found = plots.drift_scores(columns, rows=1000)
    check_picture(found)
    assert plots.drift_scores(columns.with_columns(limit=pl.lit(0.3)), rows=1000) != found
    nothing = columns.with_columns(moved=pl.lit(None, pl.Float64), limit=pl.lit(None, pl.Float64))
    check_picture(plots.drift_scores(nothing, rows=0))


def test_a_metric_over_time_is_drawn_with_gaps_and_without_values():
    windows = pl.DataFrame(
        {
            "window_end": days(4),
            "value": [0.7, None, 0.6, 0.65],
            "low": [0.6, None, None, 0.6],
            "high": [0.8, None, None, 0.7],
            "rows": [100, 0, 50, 80],
        }
    )
    check_picture(plots.metric_over_time(windows, metric="auc", reference=0.72, limit=0.67))
    check_picture(plots.metric_over_time(windows.clear(), metric="auc"))


def test_score_distributions_are_drawn_also_of_an_empty_window():
    scores = simulated_rows()["probability"]
    check_picture(plots.score_distribution(scores, scores.head(100)))
    check_picture(plots.score_distribution(scores, scores.clear()))
    check_picture(plots.score_distribution(scores.clear(), scores.clear()))
