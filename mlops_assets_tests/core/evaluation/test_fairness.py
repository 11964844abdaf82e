import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.core.evaluation.fairness import group_rates, rate_gaps, resampled_gap

cases = st.lists(st.tuples(st.integers(0, 1), st.booleans(), st.sampled_from("abc")), min_size=1, max_size=40)


def columns(rows):
    labels, decisions, groups = zip(*rows, strict=True)
    return np.array(labels, dtype=np.int8), np.array(decisions), np.array(groups)


def share(rows, *, label=None):
    flagged = [decision for y, decision, _ in rows if label is None or y == label]
    return np.mean(flagged) if flagged else np.nan


@given(cases)
@settings(max_examples=15)
def test_rates_and_gaps_equal_counting(rows):
    labels, decisions, groups = columns(rows)
    parts = {g: [row for row in rows if row[2] == g] for g in set(groups.tolist())}
    rates = group_rates(labels, decisions, groups)
    assert set(rates) == set(parts)
    for group, part in parts.items():
        assert rates[group]["selection_rate"] == pytest.approx(share(part))
        assert rates[group]["true_positive_rate"] == pytest.approx(share(part, label=1), nan_ok=True)
        assert rates[group]["false_positive_rate"] == pytest.approx(share(part, label=0), nan_ok=True)
    gaps = rate_gaps(labels, decisions, groups)
    for gap, by_group in (
        ("selection_rate_gap", [share(part) for part in parts.values()]),
        ("true_positive_rate_gap", [share(p, label=1) for p in parts.values() if any(y for y, _, _ in p)]),
    ):
        expected = max(by_group) - min(by_group) if len(by_group) > 1 else np.nan
        assert gaps[gap] == pytest.approx(expected, nan_ok=True)


def test_a_group_without_positives_has_no_true_positive_rate_and_makes_no_gap():
    labels = np.array([1, 1, 0, 0, 1], dtype=np.int8)
    decisions = np.array([True, True, False, False, True])
    groups = np.array(["a", "a", "b", "b", "c"])
    assert np.isnan(group_rates(labels, decisions, groups)["b"]["true_positive_rate"])
    assert rate_gaps(labels, decisions, groups)["true_positive_rate_gap"] == 0.0


def test_a_resampled_gap_is_undefined_where_any_groups_rate_is():
    gap = resampled_gap({"a": np.array([0.5, 0.5, np.nan]), "b": np.array([0.2, 0.9, 0.1])})
    assert gap[:2].tolist() == pytest.approx([0.3, 0.4])
    assert np.isnan(gap[2])
