"""How the promised number of false alarms is shared out over all that is looked at."""

QUARTER_DAYS = 91
DRIFT_SHARE = 0.25
"""Of the promise, for drift of single columns. The other quarters are those of joint and prediction drift, of quality,
and of data and service."""


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
