"""The ratio of two versions' harm, over all rows and by stratum, against what the rows were drawn with."""

import numpy as np
import pytest

from mlops_assets.core.canary.harm_ratio import MINIMUM_EVENTS, ratio_per_row, ratios_by_stratum
from mlops_assets.core.canary.risk_set import Floats


def kept_to(share: float, level: Floats, noise: Floats) -> Floats:
    """Whether a standard normal, of which `share` of the variance is the entity's own, lies in its highest tenth."""
    value = np.sqrt(share) * level + np.sqrt(1 - share) * noise
    return (value >= 1.2816).astype(np.float64)


def test_of_harm_0_and_1_it_is_the_odds_ratio() -> None:
    champion, challenger = np.array([1.0] * 100 + [0.0] * 900), np.array([1.0] * 200 + [0.0] * 800)
    low, ratio, high = ratio_per_row(challenger, champion, np.arange(1000)).bounds
    assert ratio == pytest.approx((200 / 800) / (100 / 900), rel=0.01)
    assert low < ratio < high


def test_of_harm_in_between_it_is_the_tilt() -> None:
    generator = np.random.default_rng(0)
    values, tilt = np.array([0.0, 0.05, 0.5, 1.0]), 3.0
    champion_shares = np.array([0.7, 0.15, 0.1, 0.05])
    shares = champion_shares * tilt**values
    champion = generator.choice(values, 200_000, p=champion_shares)
    challenger = generator.choice(values, 200_000, p=shares / shares.sum())
    assert ratio_per_row(challenger, champion, np.arange(200_000)).bounds[1] == pytest.approx(tilt, rel=0.05)


def test_its_uncertainty_holds_what_it_says() -> None:
    inside = 0
    for seed in range(200):
        generator = np.random.default_rng(seed)
        entity = generator.integers(0, 300, 2000)
        level = generator.normal(size=300)[entity]
        champion, challenger = (kept_to(0.5, level, generator.normal(size=2000)) for _ in range(2))
        low, _, high = ratio_per_row(challenger, champion, entity).bounds
        inside += low <= 1 <= high
    assert inside >= 188  # 98 % are expected; fewer has a probability below 1 in 100


def test_a_version_whose_harm_keeps_to_few_entities_has_fewer_first_harms_later_on() -> None:
    generator = np.random.default_rng(1)
    entity = np.tile(np.arange(5000), 8)
    level = generator.normal(size=5000)[entity]
    champion, challenger = (kept_to(share, level, generator.normal(size=40_000)) for share in (0.8, 0.1))
    low, _, high = ratio_per_row(challenger, champion, entity).bounds
    assert low < 1 < high
    first, *later = ratios_by_stratum(challenger, champion, entity)
    assert first.bounds[0] < 1 < first.bounds[2]
    assert len(later) == 3
    assert all(one.bounds[0] > 1.5 for one in later)
    assert [one.value for one in later] == sorted(one.value for one in later)


def test_a_stratum_without_evidence_ends_the_list_and_first_requests_are_always_there() -> None:
    entity = np.repeat(np.arange(200), 2)
    harm = np.zeros(400)
    harm[1 : 2 * MINIMUM_EVENTS : 2] = 1.0  # second requests
    assert len(ratios_by_stratum(harm, harm, entity)) == 2
    harm[1] = 0.0
    assert len(ratios_by_stratum(harm, harm, entity)) == 1
