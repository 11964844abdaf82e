"""What the evaluation predicts about two versions' scores."""

import numpy as np
import pytest

from mlops_assets.core.canary.score_reference import score_events
from mlops_assets.core.errors import MonitoringError


def test_the_expected_odds_ratio_is_that_of_the_rows() -> None:
    champion = np.array([0.9] * 100 + [0.1] * 900)
    challenger = np.array([0.9] * 200 + [0.1] * 800)
    (decision, *_) = score_events(
        champion, challenger, range(1000), champion_threshold=0.5, challenger_threshold=0.5
    )
    assert decision.expected == pytest.approx((200 / 800) / (100 / 900), rel=0.01)
    assert decision.low < decision.expected < decision.high


def test_each_version_is_held_to_its_own_percentiles() -> None:
    champion = np.random.default_rng(0).random(5000)
    events = score_events(
        champion, champion**3, range(5000), champion_threshold=0.5, challenger_threshold=0.125
    )
    assert [event.name for event in events] == ["decision", "high_score", "low_score"]
    for event in events:
        assert event.expected == pytest.approx(1.0)
        assert event.low == pytest.approx(
            event.high, abs=0.01
        )  # the very same rows: hardly anything is uncertain
    assert events[1].challenger_cut == pytest.approx(0.9**3, abs=0.01)


def test_rows_of_few_entities_are_less_certain() -> None:
    generator = np.random.default_rng(0)
    own = np.repeat(generator.random((100, 2)), 50, axis=0)
    few, many = (
        score_events(own[:, 0], own[:, 1], entities, champion_threshold=0.5, challenger_threshold=0.5)[0]
        for entities in (np.repeat(np.arange(100), 50).tolist(), range(5000))
    )
    assert few.high / few.low > 2 * many.high / many.low


def test_an_event_that_never_happens_has_a_finite_expectation() -> None:
    zeros = np.zeros(50)
    decision = score_events(zeros, zeros, range(50), champion_threshold=0.5, challenger_threshold=0.5)[0]
    assert decision.expected == pytest.approx(1.0)


@pytest.mark.parametrize("rows", [(0, 0, 0), (2, 3, 3), (3, 3, 2)])
def test_rows_that_do_not_belong_together_are_refused(rows: tuple[int, int, int]) -> None:
    champion, challenger, entities = rows
    with pytest.raises(MonitoringError, match="evaluation rows"):
        score_events(
            np.ones(champion),
            np.ones(challenger),
            range(entities),
            champion_threshold=0.5,
            challenger_threshold=0.5,
        )
