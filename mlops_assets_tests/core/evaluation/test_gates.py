import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.core.errors import ConfigurationError
from mlops_assets.core.evaluation.contenders import Contender
from mlops_assets.core.evaluation.decision_threshold import DecisionThreshold
from mlops_assets.core.evaluation.gates import GateVerdict, judge, overall, verdict_table
from mlops_assets.core.evaluation.result import (
    CALIBRATION_SCHEMA,
    CURVE_SCHEMA,
    ESTIMATE_SCHEMA,
    THRESHOLD_SCHEMA,
    EvaluationResult,
)
from mlops_assets.core.product_spec import Gate, Slice
from mlops_assets_tests.support.evaluated import EVALUATION, evaluated, simulated_contenders, simulated_rows

SEVERITY = ["pass", "inconclusive", "fail"]


def result_with(
    *estimates: dict, contenders: tuple[str, ...] = ("candidate", "champion")
) -> EvaluationResult:
    """An evaluation that found exactly these estimates; what is not given is that of 1,000 rows, 300
    positive."""
    defaults = dict.fromkeys(ESTIMATE_SCHEMA.names()) | {
        "contender": "candidate",
        "rows": 1000,
        "positives": 300,
        "degenerate": 0,
        "is_enough": True,
    }
    return EvaluationResult(
        candidate="candidate",
        contenders=contenders,
        primary_metric="auc",
        confidence=0.95,
        bootstrap_samples=200,
        rows=1000,
        positives=300,
        minimum_slice_rows=200,
        cost_unit="1",
        threshold=DecisionThreshold(value=0.5, cost_per_row=0.1, rows=1000, positives=300, theoretical=0.5),
        estimates=pl.DataFrame([defaults | row for row in estimates], schema=ESTIMATE_SCHEMA, orient="row"),
        curves=pl.DataFrame(schema=CURVE_SCHEMA),
        calibration_bins=pl.DataFrame(schema=CALIBRATION_SCHEMA),
        thresholds=pl.DataFrame(schema=THRESHOLD_SCHEMA),
    )


def estimate(
    low: float | None, high: float | None, *, kind: str = "metric", metric: str = "auc", **more
) -> dict:
    value = None if low is None or high is None else (low + high) / 2
    against = "champion" if "difference" in kind else None
    return {
        "kind": kind,
        "metric": metric,
        "value": value,
        "low": low,
        "high": high,
        "against": against,
    } | more


def verdict_of(gate: Gate, *estimates: dict, **options) -> GateVerdict:
    return judge([gate], result_with(*estimates, **options))[0]


@pytest.mark.parametrize(
    ("limits", "interval", "verdict"),
    [
        ({"minimum": 0.8}, (0.81, 0.85), "pass"),
        ({"minimum": 0.8}, (0.80, 0.85), "pass"),
        ({"minimum": 0.8}, (0.79, 0.85), "inconclusive"),
        ({"minimum": 0.8}, (0.70, 0.80), "inconclusive"),
        ({"minimum": 0.8}, (0.70, 0.79), "fail"),
        ({"maximum": 0.1}, (0.02, 0.10), "pass"),
        ({"maximum": 0.1}, (0.02, 0.11), "inconclusive"),
        ({"maximum": 0.1}, (0.11, 0.12), "fail"),
        ({"minimum": 0.4, "maximum": 0.6}, (0.45, 0.55), "pass"),
        ({"minimum": 0.4, "maximum": 0.6}, (0.45, 0.65), "inconclusive"),
        ({"minimum": 0.4, "maximum": 0.6}, (0.65, 0.75), "fail"),
        ({"minimum": 0.4, "maximum": 0.6}, (0.25, 0.35), "fail"),
    ],
)
def test_an_absolute_gate_looks_at_the_whole_interval(limits, interval, verdict):
    assert verdict_of(Gate(name="limit", metric="auc", **limits), estimate(*interval)).verdict == verdict


@pytest.mark.parametrize(
    ("margin", "interval", "verdict"),
    [
        (0.0, (0.001, 0.01), "pass"),
        (0.0, (0.0, 0.0), "pass"),
        (0.0, (-0.001, 0.01), "inconclusive"),
        (0.0, (-0.02, -0.001), "fail"),
        (0.01, (-0.009, 0.01), "pass"),
        (0.01, (-0.011, -0.001), "inconclusive"),
        (0.01, (-0.03, -0.011), "fail"),
    ],
)
def test_a_comparison_asks_to_be_not_worse_than_the_margin(margin, interval, verdict):
    gate = Gate(name="not_worse", metric="auc", against="champion", margin=margin)
    found = verdict_of(gate, estimate(*interval, kind="difference"))
    assert found.verdict == verdict
    assert found.limit == -margin


intervals = st.tuples(st.floats(-1, 1), st.floats(-1, 1)).map(sorted)
margins = st.floats(0, 1)


@given(intervals, margins, margins)
def test_a_wider_margin_never_makes_the_verdict_worse(interval, one, other):
    narrow, wide = (
        verdict_of(
            Gate(name="not_worse", metric="auc", against="champion", margin=margin),
            estimate(*interval, kind="difference"),
        )
        for margin in sorted([one, other])
    )
    assert SEVERITY.index(wide.verdict) <= SEVERITY.index(narrow.verdict)


@given(intervals)
def test_swapping_roles_turns_ahead_into_behind(interval):
    low, high = interval
    gate = Gate(name="not_worse", metric="auc", against="champion")
    there = verdict_of(gate, estimate(low, high, kind="difference")).verdict
    back = verdict_of(gate, estimate(-high, -low, kind="difference")).verdict
    assert (back == "fail") == (low > 0)
    assert (there == "fail") == (high < 0)
    assert not (there == "fail" and back == "fail")
    assert (there == "inconclusive") == (low < 0 <= high)


@pytest.mark.parametrize(("rows", "positives"), [(199, 50), (500, 19)])
def test_too_few_rows_or_positives_are_inconclusive_however_good_the_number(rows, positives):
    gate = Gate(name="limit", metric="auc", minimum=0.5)
    found = verdict_of(gate, estimate(0.98, 0.99, rows=rows, positives=positives))
    assert found.verdict == "inconclusive"
    assert "too few rows or positives (200 and 20 are needed)" in found.reason
    assert (found.rows, found.positives) == (rows, positives)


def test_a_metric_without_an_interval_is_inconclusive():
    found = verdict_of(Gate(name="limit", metric="auc", minimum=0.5), estimate(None, None))
    assert found.verdict == "inconclusive"
    assert "undefined" in found.reason


def test_without_a_champion_a_comparison_with_it_passes_and_says_so():
    gate = Gate(name="not_worse", metric="auc", against="champion", slices=True)
    found = verdict_of(gate, contenders=("candidate", "constant"))
    assert (found.verdict, found.reason) == ("pass", "no champion yet: nothing to compare")


def test_a_baseline_that_was_not_evaluated_is_a_configuration_error():
    gate = Gate(name="ahead", metric="auc", against="surv2m")
    with pytest.raises(
        ConfigurationError, match=r"gate ahead: 'surv2m' was not evaluated; contenders are candidate"
    ):
        verdict_of(gate)


def test_a_metric_that_the_contender_does_not_have_is_a_configuration_error():
    with pytest.raises(ConfigurationError, match="there is no brier against champion"):
        verdict_of(Gate(name="ahead", metric="brier", against="champion"))


def test_a_comparison_on_fewer_rows_says_so():
    gate = Gate(name="not_worse", metric="auc", against="champion")
    part = verdict_of(gate, estimate(0.01, 0.02, kind="difference", rows=800))
    assert "on 800 of 1000 rows (300 positives)" in part.reason
    assert "on 1000 rows" in verdict_of(gate, estimate(0.01, 0.02, kind="difference")).reason


def slice_estimate(group: str, low: float, high: float, **more) -> dict:
    return estimate(low, high, kind="slice", slice="sex", group=group, **more)


def test_the_worst_slice_decides_and_small_ones_are_named():
    gate = Gate(name="everywhere", metric="auc", minimum=0.7, slices=True)
    found = verdict_of(
        gate,
        estimate(0.8, 0.85),
        slice_estimate("female", 0.6, 0.65, rows=400),
        slice_estimate("male", 0.65, 0.85, rows=400),
        slice_estimate("other", 0.1, 0.2, rows=150, is_enough=False),
        slice_estimate("missing", 0.1, 0.2, rows=250, positives=3),
    )
    assert (found.verdict, found.slice, found.rows) == ("fail", "sex=female", 400)
    assert "2 slices judged; fail: sex=female; inconclusive: sex=male" in found.reason
    assert "too small: sex=other, sex=missing" in found.reason


def test_good_slices_do_not_hide_a_bad_whole():
    gate = Gate(name="everywhere", metric="auc", minimum=0.7, slices=True)
    found = verdict_of(gate, estimate(0.6, 0.65), slice_estimate("female", 0.9, 0.95))
    assert (found.verdict, found.slice) == ("fail", None)


def test_slices_are_ignored_by_a_gate_that_does_not_ask_for_them():
    gate = Gate(name="whole", metric="auc", minimum=0.7)
    assert verdict_of(gate, estimate(0.8, 0.85), slice_estimate("female", 0.1, 0.2)).verdict == "pass"


def gap(attribute: str, low: float | None, high: float | None, **more) -> dict:
    return estimate(low, high, kind="fairness_gap", metric="selection_rate_gap", slice=attribute, **more)


def test_a_fairness_gate_takes_the_worst_attribute():
    gate = Gate(name="fair", metric="selection_rate_gap", maximum=0.1)
    both = verdict_of(gate, gap("sex", 0.0, 0.05), gap("race", 0.02, 0.09))
    assert (both.verdict, both.slice) == ("pass", "race")
    found = verdict_of(gate, gap("sex", 0.0, 0.05), gap("race", 0.12, 0.2))
    assert (found.verdict, found.slice) == ("fail", "race")
    few = verdict_of(gate, gap("sex", 0.0, 0.05), gap("race", None, None, rows=0, positives=0))
    assert (few.verdict, few.slice) == ("inconclusive", "race")


def test_a_fairness_gate_without_sensitive_attribute_is_a_configuration_error():
    with pytest.raises(ConfigurationError, match="is_sensitive: true"):
        verdict_of(Gate(name="fair", metric="selection_rate_gap", maximum=0.1))


@pytest.mark.parametrize(
    "options", [{"against": "champion"}, {"maximum": 0.1, "slices": True}], ids=["comparison", "slices"]
)
def test_a_fairness_gate_can_only_be_absolute(options):
    with pytest.raises(ValueError, match="gap between groups"):
        Gate(name="fair", metric="selection_rate_gap", **options)


def test_the_overall_verdict_is_the_worst_and_nothing_shown_is_inconclusive():
    verdicts = {v: GateVerdict(v, v, "", "auc", "absolute") for v in ("pass", "inconclusive", "fail")}
    assert overall([verdicts["pass"], verdicts["pass"]]) == "pass"
    assert overall([verdicts["pass"], verdicts["inconclusive"]]) == "inconclusive"
    assert overall([verdicts["inconclusive"], verdicts["fail"], verdicts["pass"]]) == "fail"
    assert overall([]) == "inconclusive"


def test_the_table_has_one_row_per_gate_in_order():
    gates = [Gate(name="high", metric="auc", minimum=0.7), Gate(name="low", metric="auc", minimum=0.9)]
    table = verdict_table(judge(gates, result_with(estimate(0.8, 0.85))))
    assert table.select("name", "verdict", "limit").rows() == [("high", "pass", 0.7), ("low", "fail", 0.9)]
    assert verdict_table([]).height == 0


@pytest.mark.parametrize("metric", ["auc", "average_precision", "brier", "calibration_error"])
def test_the_direction_of_a_metric_is_respected_end_to_end(metric):
    rows = simulated_rows()
    good, _, bad, *_ = simulated_contenders(rows)
    gate = Gate(name="ahead", metric=metric, against="other")
    ahead = evaluated(rows, [good, Contender("other", bad.scores)])
    behind = evaluated(rows, [bad, Contender("other", good.scores)])
    assert judge([gate], ahead)[0].verdict == "pass"
    assert judge([gate], behind)[0].verdict == "fail"


def test_a_model_against_a_copy_of_itself_passes_at_margin_zero_and_a_shuffled_one_fails():
    rows = simulated_rows()
    scores = rows["probability"].to_numpy()
    gate = Gate(name="not_worse", metric="auc", against="champion", slices=True)
    champion = Contender("champion", scores.copy())
    copy = evaluated(rows, [Contender("candidate", scores), champion], gates=[gate])
    assert judge([gate], copy)[0].verdict == "pass"
    shuffled = np.random.default_rng(0).permutation(scores)
    worse = evaluated(rows, [Contender("candidate", shuffled), champion], gates=[gate])
    assert judge([gate], worse)[0].verdict == "fail"


@pytest.mark.parametrize("seed", range(4))
def test_two_models_of_equal_quality_pass_with_a_margin_and_many_rows(seed):
    rows = simulated_rows(6000, seed=seed)
    logit = np.log(rows["probability"] / (1 - rows["probability"])).to_numpy()
    generator = np.random.default_rng(seed + 100)
    names = ("candidate", "champion")
    contenders = [Contender(n, 1 / (1 + np.exp(-(logit + generator.normal(0, 0.5, 6000))))) for n in names]
    gate = Gate(name="not_worse", metric="auc", against="champion", margin=0.02)
    assert judge([gate], evaluated(rows, contenders))[0].verdict == "pass"


def test_a_gate_on_slices_finds_the_group_that_a_good_average_hides():
    rows = simulated_rows(4000)
    scores = rows["probability"].to_numpy().copy()
    old = (rows["age_years"] >= 60).to_numpy()
    scores[old] = np.random.default_rng(0).permutation(scores[old])
    gate = Gate(name="everywhere", metric="auc", minimum=0.6, slices=True)
    evaluation = EVALUATION.model_copy(update={"slices": (Slice(column="age_years", breaks=(60,)),)})
    found = judge(
        [gate], evaluated(rows, [Contender("candidate", scores)], evaluation=evaluation, gates=[gate])
    )[0]
    assert (found.verdict, found.slice) == ("fail", "age_years=≥60")
    assert (
        judge([gate.model_copy(update={"slices": False})], evaluated(rows, [Contender("candidate", scores)]))[
            0
        ].verdict
        == "pass"
    )
