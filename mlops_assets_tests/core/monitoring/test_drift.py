"""Drift verdicts on frames whose shift is known."""

import numpy as np
import polars as pl
import pytest

from mlops_assets.core.errors import MonitoringError
from mlops_assets.core.monitoring.drift import DriftReport, drift_report
from mlops_assets.core.monitoring.population_stability import mostly_constant
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


def _report(
    reference: pl.DataFrame, current: pl.DataFrame, monitoring: Monitoring = MONITORING
) -> DriftReport:
    return drift_report(
        reference, current, feature_names=FEATURES, score="score", monitoring=monitoring, seed=0
    )


def _verdicts(report: DriftReport) -> dict[str, str]:
    return {column.column: column.verdict for column in report.columns}


@pytest.mark.parametrize("seed", range(5))
def test_a_window_of_the_same_distribution_is_stable(seed: int):
    report = _report(_frame(5000, seed=100), _frame(3000, seed=seed))
    assert report.verdict == "stable"
    assert set(_verdicts(report).values()) == {"stable"}
    assert report.alarmed_columns == ()


def test_shifted_columns_are_named_and_alarm_together():
    amount = np.random.default_rng(9).lognormal(4.5, 0.8, 3000)
    share = np.random.default_rng(9).random(3000)
    report = _report(
        _frame(5000, seed=1), _frame(3000, seed=2, amount_usd=amount, terminal_fraud_share_7d=share)
    )
    assert report.verdict == "drift"
    assert report.alarmed_columns == ("amount_usd", "terminal_fraud_share_7d")
    assert report.drifted_share == 0.5
    assert "amount_usd" in report.reason


def test_one_drifted_feature_of_four_stays_below_the_share():
    amount = np.random.default_rng(9).lognormal(4.5, 0.8, 3000)
    report = _report(_frame(5000, seed=1), _frame(3000, seed=2, amount_usd=amount))
    assert _verdicts(report)["amount_usd"] == "drift"
    assert report.verdict == "stable"
    assert report.alarmed_columns == ()
    assert (
        _report(
            _frame(5000, seed=1), _frame(3000, seed=2, amount_usd=amount), Monitoring(drift_share=0.2)
        ).verdict
        == "drift"
    )


def test_a_moved_score_alone_alarms():
    score = np.random.default_rng(9).beta(2, 20, 3000)
    report = _report(_frame(5000, seed=1), _frame(3000, seed=2, score=score))
    assert report.verdict == "drift"
    assert report.alarmed_columns == ("score",)
    assert report.score.mean_current == pytest.approx(2 / 22, abs=0.01)


def test_values_that_go_missing_are_drift_though_the_rest_looks_the_same():
    current = _frame(3000, seed=2).with_columns(
        pl.when(pl.int_range(pl.len()) % 2 == 0).then("amount_usd").alias("amount_usd")
    )
    column = _report(_frame(5000, seed=1), current).columns[0]
    assert column.verdict == "drift"
    assert column.psi is not None
    assert column.psi < MONITORING.psi_threshold
    assert column.missing_share_current == 0.5
    assert column.reason.startswith("missing share")


def test_a_column_that_becomes_all_null_is_drift_and_one_null_on_both_sides_is_not_judged():
    nothing = pl.Series("x", [None] * 3000, dtype=pl.Float64)
    report = _report(
        _frame(3000, seed=1, constant=nothing), _frame(3000, seed=2, constant=nothing, amount_usd=nothing)
    )
    assert _verdicts(report)["amount_usd"] == "drift"
    assert _verdicts(report)["constant"] == "not_judged"
    assert report.drifted_share == pytest.approx(1 / 3)


def test_nan_and_infinite_count_as_missing():
    odd = np.where(np.arange(3000) % 2 == 0, np.nan, np.inf)
    report = _report(_frame(3000, seed=1), _frame(3000, seed=2, amount_usd=odd))
    assert report.columns[0].missing_share_current == 1.0


def test_a_constant_that_takes_another_value_is_drift():
    report = _report(_frame(3000, seed=1), _frame(3000, seed=2, constant=np.full(3000, 2.0)))
    assert _verdicts(report)["constant"] == "drift"


def test_what_moves_among_the_few_other_values_of_a_mostly_constant_column_is_drift():
    rng = np.random.default_rng(3)

    def debt(rows: int, amount: float) -> np.ndarray:
        return np.where(rng.random(rows) < 0.92, 0.0, amount * rng.lognormal(0, 0.3, rows))

    report = _report(
        _frame(5000, seed=1, constant=debt(5000, 100)), _frame(3000, seed=2, constant=debt(3000, 10_000))
    )
    column = report.columns[FEATURES.index("constant")]
    assert column.verdict == "drift"
    assert column.rest_psi is not None
    assert column.psi == column.rest_psi > 2
    assert column.share_psi == pytest.approx(0.0, abs=0.01)
    assert "of the values are 0 (index 0.00" in column.reason
    row = report.to_frame().filter(pl.col("column") == "constant").row(0, named=True)
    assert (row["share_psi"], row["rest_psi"]) == (column.share_psi, column.rest_psi)


@pytest.mark.parametrize("share", [0.01, 0.03, 0.08, 0.3])
def test_the_other_values_of_a_mostly_constant_column_raise_hardly_a_false_alarm(share: float):
    rng = np.random.default_rng(4)
    alarms = 0
    for _ in range(400):
        ours, theirs = (
            np.where(rng.random(rows) < share, rng.lognormal(3, 1, rows), 0.0) for rows in (2000, 1000)
        )
        parts = mostly_constant(ours, theirs)
        alarms += parts is not None and (parts.rest_index or 0.0) > MONITORING.psi_threshold
    assert alarms <= 4


def test_rare_categories_that_change_places_under_a_dominant_one_are_drift():
    rng = np.random.default_rng(5)

    def city(rows: int, first: int) -> np.ndarray:
        return np.where(rng.random(rows) < 0.9, 0.0, first + rng.integers(0, 4, rows))

    reference = _frame(5000, seed=1, constant=city(5000, 1))
    column = drift_report(
        reference,
        _frame(3000, seed=2, constant=city(3000, 3)),
        feature_names=FEATURES,
        score="score",
        monitoring=MONITORING,
        seed=0,
        categories=["constant"],
    ).columns[FEATURES.index("constant")]
    assert column.rest_psi is not None
    assert column.rest_psi > 1


@pytest.mark.parametrize(
    ("reference_rows", "current_rows", "side"),
    [(0, 3000, "reference"), (3000, 0, "window"), (3000, 199, "window")],
)
def test_too_few_rows_are_inconclusive_whatever_they_say(reference_rows: int, current_rows: int, side: str):
    shifted = np.full(current_rows, 1e6)
    report = _report(
        _frame(reference_rows, seed=1), _frame(current_rows, seed=2, amount_usd=shifted, score=shifted)
    )
    assert report.verdict == "inconclusive"
    assert f"the {side} has {min(reference_rows, current_rows)} rows" in report.reason
    assert report.alarmed_columns == ()


def test_large_sides_are_sampled_and_the_same_seed_gives_the_same_report():
    reference, current = _frame(5000, seed=1), _frame(3000, seed=2)
    small = Monitoring(maximum_rows=1000)
    report = _report(reference, current, small)
    assert (report.rows_reference, report.rows_seen_reference) == (5000, 1000)
    assert (report.rows_current, report.rows_seen_current) == (3000, 1000)
    assert report == _report(reference, current, small)


def test_the_frame_has_one_row_per_column_with_the_largest_index_first():
    score = np.random.default_rng(9).beta(2, 20, 3000)
    frame = _report(_frame(5000, seed=1), _frame(3000, seed=2, score=score)).to_frame()
    assert frame["column"].to_list()[0] == "score"
    assert sorted(frame["column"].to_list()) == sorted([*FEATURES, "score"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop("amount_usd"), "has no column amount_usd"),
        (lambda frame: frame.with_columns(amount_usd=pl.lit("12")), r"no numbers: amount_usd \(String\)"),
    ],
)
def test_wrong_columns_are_named(change, message: str):
    with pytest.raises(MonitoringError, match=message):
        _report(_frame(300, seed=1), change(_frame(300, seed=2)))
