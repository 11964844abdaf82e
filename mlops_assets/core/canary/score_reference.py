"""What the evaluation predicts about the scores of two versions that answer side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mlops_assets.core.canary.harm_ratio import ratio_per_row, ratios_by_stratum
from mlops_assets.core.canary.risk_set import Floats
from mlops_assets.core.errors import MonitoringError

ScoreEventName = Literal["decision", "high_score", "low_score"]

TAIL = 0.1
"""Share of the evaluation's rows that count as its highest and its lowest scores."""


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
    strata: tuple[tuple[float, float], ...] | None = None
    """Low and high of the odds ratio of an entity's first event at its 1st, 2nd to 3rd, 4th to 7th … row, as far as the
    evaluation tells; None: as over all rows.
    """


def score_events(
    champion: Floats,
    challenger: Floats,
    entities: Sequence[object],
    *,
    champion_threshold: float,
    challenger_threshold: float,
) -> tuple[ScoreEvent, ...]:
    """Return the events by which served scores are compared with evaluation rows that both versions scored.

    champion, challenger: scores of the same rows, in the order of their time; entities: whose rows they are. A cut-off
    is the version's own decision threshold, or its own 90th and 10th percentile, so that two well calibrated versions
    of different sharpness are not mistaken for different. Each event is counted half a time more each way, so that one
    that happens to all rows or none has a finite ratio.

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
        happened = (
            _happens(challenger, challenger_cut, is_above=is_above),
            _happens(champion, champion_cut, is_above=is_above),
        )
        low, expected, high = ratio_per_row(*happened, codes).bounds
        strata = tuple((one.bounds[0], one.bounds[2]) for one in ratios_by_stratum(*happened, codes))
        events.append(
            ScoreEvent(
                name,  # type: ignore[arg-type]
                float(champion_cut),
                float(challenger_cut),
                is_above,
                expected,
                low,
                high,
                strata,
            )
        )
    return tuple(events)


def _happens(scores: Floats, cut: float, *, is_above: bool) -> Floats:
    return (scores >= cut if is_above else scores <= cut).astype(np.float64)
