"""Drift verdicts on windows whose shift is known, against a history in which nothing happens."""

import numpy as np
import polars as pl
import pytest

from mlops_assets.core.errors import MonitoringError
from mlops_assets.core.monitoring.drift.column import SMALLEST_MOVE, History
from mlops_assets.core.monitoring.drift.report import DriftReport, judge_window, learn_columns
from mlops_assets.core.monitoring.finding import findings_frame
from mlops_assets.core.monitoring.profile import ColumnProfile, add, profile_column
from mlops_assets.core.monitoring.promise import chance_of_column

CATEGORIES = ("shop",)
IMPORTANCE = {"amount_usd": 0.7, "shop": 0.2, "terminal_fraud_share_7d": 0.1, "constant": 0.0}
CHANCE = chance_of_column(per_quarter=1.0, columns=5)


def _rows(rows: int, *, seed: int, **replaced: np.ndarray) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    columns = {
        "amount_usd": rng.lognormal(3.5, 0.8, rows),
        "shop": rng.choice(60, rows, p=np.arange(1, 61) ** -1.0 / (np.arange(1, 61) ** -1.0).sum()).astype(
            float
        ),
        "terminal_fraud_share_7d": np.where(rng.random(rows) < 0.92, 0.0, rng.lognormal(0, 0.5, rows)),
        "constant": np.ones(rows),
        "score": rng.beta(1, 30, rows),
    }
    return columns | replaced


def _profiles(columns: dict[str, np.ndarray]) -> dict[str, ColumnProfile]:
    return {
        name: profile_column(pl.Series(values), is_category=name in CATEGORIES)
        for name, values in columns.items()
    }


def _report(current: dict[str, np.ndarray], *, windows: int = 20, minimum_rows: int = 50) -> DriftReport:
    past = [_profiles(_rows(3000, seed=1000 + number)) for number in range(windows)]
    histories = {
        name: History(tuple(window[name] for window in past), add([window[name] for window in past[-6:]]), 6)
        for name in past[0]
    }
    learned = learn_columns(histories, score="score", categories=CATEGORIES)
    return judge_window(
        learned, _profiles(current), lag=1.0, chance=CHANCE, minimum_rows=minimum_rows, importance=IMPORTANCE
    )


def _verdicts(report: DriftReport) -> dict[str, str]:
    return {column.column: column.verdict for column in report.columns}


@pytest.mark.parametrize("seed", range(5))
def test_a_window_of_the_same_distribution_is_stable(seed: int) -> None:
    report = _report(_rows(3000, seed=seed))
    assert report.verdict == "stable", report.reason
    assert set(_verdicts(report).values()) == {"stable"}
    assert report.alarmed_columns == ()


def test_shifted_columns_are_named_the_one_that_matters_most_first() -> None:
    rng = np.random.default_rng(9)
    share = np.where(rng.random(3000) < 0.5, 0.0, rng.random(3000))
    report = _report(
        _rows(3000, seed=2, amount_usd=rng.lognormal(4.2, 0.8, 3000), terminal_fraud_share_7d=share)
    )
    assert report.verdict == "drift"
    assert report.alarmed_columns == ("amount_usd", "terminal_fraud_share_7d")
    frame = report.to_frame()
    assert frame["column"].to_list()[:2] == ["amount_usd", "terminal_fraud_share_7d"]
    assert frame["consequence"][0] == pytest.approx(0.7 * frame["moved"][0])
    assert "amount_usd" in report.reason


def test_a_shift_that_is_certain_and_small_is_no_drift() -> None:
    """However many rows prove it: the effect decides."""
    rng = np.random.default_rng(3)
    report = _report(_rows(300_000, seed=3, amount_usd=rng.lognormal(3.6, 0.8, 300_000)))
    assert _verdicts(report)["amount_usd"] == "stable"


def test_a_moved_score_alone_alarms_and_is_a_finding_of_its_own_topic() -> None:
    report = _report(_rows(3000, seed=4, score=np.random.default_rng(4).beta(2, 30, 3000)))
    assert report.verdict == "drift"
    alarm = findings_frame(report.findings()).row(0, named=True)
    assert (alarm["topic"], alarm["subject"], alarm["state"]) == ("prediction_drift", "score", "alarm")
    assert alarm["value"] > alarm["limit"] >= SMALLEST_MOVE["values"]


@pytest.mark.parametrize("gone", [np.nan, np.inf])
def test_values_that_go_missing_are_drift_though_the_rest_looks_the_same(gone: float) -> None:
    rng = np.random.default_rng(5)
    amount = np.where(rng.random(3000) < 0.1, gone, rng.lognormal(3.5, 0.8, 3000))
    report = _report(_rows(3000, seed=5, amount_usd=amount))
    assert _verdicts(report)["amount_usd"] == "drift"
    column = next(column for column in report.columns if column.column == "amount_usd")
    assert column.parts[0].part == "missing"
    assert "0.0% of the values were missing, now 10" in column.reason


def test_a_column_that_is_missing_throughout_is_drift() -> None:
    nothing = np.full(3000, np.nan)
    assert _verdicts(_report(_rows(3000, seed=6, amount_usd=nothing)))["amount_usd"] == "drift"


def test_a_constant_that_takes_another_value_is_drift() -> None:
    assert _verdicts(_report(_rows(3000, seed=7, constant=np.full(3000, 2.0))))["constant"] == "drift"


def test_what_moves_among_the_few_other_values_of_a_mostly_constant_column_is_drift() -> None:
    rng = np.random.default_rng(8)
    share = np.where(rng.random(3000) < 0.92, 0.0, 100 * rng.lognormal(0, 0.5, 3000))
    report = _report(_rows(3000, seed=8, terminal_fraud_share_7d=share))
    column = next(column for column in report.columns if column.column == "terminal_fraud_share_7d")
    assert (column.verdict, column.parts[0].part) == ("drift", "rest")


def test_categories_are_compared_one_by_one_not_as_numbers() -> None:
    rng = np.random.default_rng(10)
    odd = rng.choice(np.arange(0, 60, 2), 3000).astype(float)
    assert _verdicts(_report(_rows(3000, seed=10, shop=odd)))["shop"] == "drift"


def test_too_few_rows_are_inconclusive_whatever_they_say() -> None:
    report = _report(_rows(40, seed=11, amount_usd=np.full(40, 1e6)))
    assert report.verdict == "inconclusive"
    assert "40 rows, 50 are needed" in report.reason


def test_a_small_window_that_could_hide_a_moderate_shift_is_not_called_stable() -> None:
    assert "inconclusive" in _verdicts(_report(_rows(60, seed=12))).values()


def test_too_short_a_history_is_inconclusive_and_says_what_is_needed() -> None:
    report = _report(_rows(3000, seed=13, amount_usd=np.full(3000, 1e6)), windows=5)
    assert report.verdict == "inconclusive"
    assert "has 5 windows of this length, and 6 are needed" in report.reason


def test_a_column_without_rows_is_inconclusive() -> None:
    past = [_profiles(_rows(3000, seed=number)) for number in range(8)]
    histories = {"score": History(tuple(w["score"] for w in past), add([w["score"] for w in past]), 4)}
    report = judge_window(learn_columns(histories, score="score"), {}, lag=0, chance=CHANCE, minimum_rows=1)
    assert report.verdict == "inconclusive"
    with pytest.raises(MonitoringError, match="no column"):
        judge_window([], {}, lag=0, chance=CHANCE, minimum_rows=1)
