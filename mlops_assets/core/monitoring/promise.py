"""How the promised number of false alarms is shared out over all that is looked at."""

from functools import lru_cache

QUARTER_DAYS = 91
DRIFT_SHARE = 0.25
"""Of the promise, for drift of single columns, the score among them."""
JOINT_DRIFT_SHARE = 0.1
LABEL_DRIFT_SHARE = 0.1
DECLINE_SHARE = 0.1
"""For evidence of a decline that adds up over windows."""
ESTIMATE_SHARE = 0.15
"""For what is estimated of windows without labels: the primary metric, calibration bias and cost."""
CALIBRATION_SHARE = 0.1
FAIRNESS_SHARE = 0.2
"""For all groups and metrics together."""
CUSTOM_SHARE = 0.1
"""For all statistics of a product's `monitors.py` together, besides the promise. What is counted and not estimated
(faults of data, age, parity) and limits that people set (latency, errors) need no share: nothing happens by chance."""


def chance_of_column(
    *, per_quarter: float, columns: int, days_between: int = 1, share: float = DRIFT_SHARE
) -> float:
    """Return how probable a false alarm of one column in one window may be.

    Windows of a quarter overlap, and columns depend on each other: with equal shares (Bonferroni 1936) the expected
    number of false alarms is within the promise all the same.

    per_quarter: the promised number. columns: how many are tested. days_between: days from one window to the next.
    share: of the promise. The result is at most 0.05.
    """
    looks = max(1.0, QUARTER_DAYS / days_between)
    return min(0.05, per_quarter * share / looks / max(columns, 1))


@lru_cache(maxsize=1024)
def widening(*, confidence: float, chance: float) -> float:
    """Return how many times an interval is widened so that its ends are missed on either side with half of `chance`.

    By the normal law; never less than 1. confidence: coverage of the interval as it is. chance: what a false alarm may
    have.
    """
    from scipy.stats import norm

    return max(1.0, float(norm.isf(chance / 2) / norm.isf((1 - confidence) / 2)))
