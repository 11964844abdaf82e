"""What the evaluation predicts about the scores of two versions that answer side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from mlops_assets.core.errors import MonitoringError

Floats = npt.NDArray[np.float64]
ScoreEventName = Literal["decision", "high_score", "low_score"]

TAIL = 0.1
"""Share of the evaluation's rows that count as its highest and its lowest scores."""
_QUANTILE = 2.326
"""99 % one-sided: how far the prediction's own uncertainty widens the margin."""


@dataclass(frozen=True)
class ScoreEvent:
    """Something that happens to a score, with each version's own cut-off, and the odds ratio that is to be expected."""

    name: ScoreEventName
    champion_cut: float
    challenger_cut: float
    is_above: bool
    """Whether scores at or above the cut-off count, or those at or below."""
    expected: float
    """Odds of the event on the same evaluation rows, challenger's over champion's."""
    low: float
    high: float
    """The expectation's own uncertainty, from how many entities the rows are."""


def score_events(
    champion: Floats,
    challenger: Floats,
    entities: Sequence[object],
    *,
    champion_threshold: float,
    challenger_threshold: float,
) -> tuple[ScoreEvent, ...]:
    """Return the events by which served scores are compared with evaluation rows that both versions scored.

    champion, challenger: scores of the same rows; entities: whose rows they are. A cut-off is the version's own
    decision threshold, or its own 90th and 10th percentile, so that two well calibrated versions of different
    sharpness are not mistaken for different. An event that happens to all rows or none of a version is counted half a
    time more each way.

    champion_threshold, challenger_threshold: scores from there on are decided as 1.

    Raises: MonitoringError without rows, or when the three do not have equally many.
    """
    if not len(champion) or not len(champion) == len(challenger) == len(entities):
        raise MonitoringError(
            f"evaluation rows: {len(champion)} champion scores, {len(challenger)} challenger scores, "
            f"{len(entities)} entities; the same rows are needed from all, and at least one"
        )
    codes = np.unique(np.array(entities, dtype=np.str_), return_inverse=True)[1]
    cuts = (
        ("decision", champion_threshold, challenger_threshold, True),
        ("high_score", np.quantile(champion, 1 - TAIL), np.quantile(challenger, 1 - TAIL), True),
        ("low_score", np.quantile(champion, TAIL), np.quantile(challenger, TAIL), False),
    )
    events: list[ScoreEvent] = []
    for name, champion_cut, challenger_cut, is_above in cuts:
        ratio, spread = _log_odds_ratio(
            _happens(challenger, challenger_cut, is_above=is_above),
            _happens(champion, champion_cut, is_above=is_above),
            codes,
        )
        low, expected, high = np.exp([ratio - _QUANTILE * spread, ratio, ratio + _QUANTILE * spread])
        events.append(
            ScoreEvent(
                name,  # type: ignore[arg-type]
                float(champion_cut),
                float(challenger_cut),
                is_above,
                float(expected),
                float(low),
                float(high),
            )
        )
    return tuple(events)


def _happens(scores: Floats, cut: float, *, is_above: bool) -> Floats:
    return (scores >= cut if is_above else scores <= cut).astype(np.float64)


def _log_odds_ratio(
    challenger: Floats, champion: Floats, codes: npt.NDArray[np.int64]
) -> tuple[float, float]:
    """Log odds ratio of paired events and its standard error, by the influence function summed over entities (Liang &
    Zeger 1986).
    """
    rows = len(champion)
    influence, log_odds = np.zeros(rows), []
    for sign, events in ((1.0, challenger), (-1.0, champion)):
        share = (events.sum() + 0.5) / (rows + 1)
        log_odds.append(np.log(share / (1 - share)))
        influence += sign * (events - share) / (share * (1 - share))
    spread = np.sqrt(np.sum(np.bincount(codes, weights=influence) ** 2)) / rows
    return float(log_odds[0] - log_odds[1]), float(spread)
