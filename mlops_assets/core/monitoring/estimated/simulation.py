"""What the labels of a window may turn out to be, and what its metrics would be then."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from mlops_assets.core.evaluation.bootstrap import Resamples
from mlops_assets.core.evaluation.metrics import Floats
from mlops_assets.core.evaluation.resampled_metrics import Estimate
from mlops_assets.core.model.calibration import log_odds
from mlops_assets.core.monitoring.estimated.calibration_map import CalibrationMap
from mlops_assets.core.monitoring.estimated.drawn_metrics import DrawnMetrics
from mlops_assets.core.monitoring.estimated.label_draws import draw_labels
from mlops_assets.core.monitoring.estimated.scored_rows import ScoredRows
from mlops_assets.core.monitoring.estimated.soft_metrics import SoftMetrics
from mlops_assets.core.product_spec import Cost

DRAWS = 250
_BLOCK_BYTES = 32 * 2**20


@dataclass(frozen=True)
class Simulation:
    """A window's metrics under drawn labels, and whether the labels that are known look like drawn ones."""

    metrics: Mapping[str, Estimate]
    misfit_p: float
    """Probability of known labels at least as far from the map as these, if the map holds; 1 without known labels."""


def simulate(
    window: ScoredRows,
    *,
    calibration: CalibrationMap,
    correlation: float,
    cost: Cost,
    seed: int,
    draws: int = DRAWS,
) -> Simulation:
    """Draw a map, then the labels that are not known, `draws` times, and measure the window with each.

    The spread carries the labels' own chance, alike within groups, and the uncertainty of the map; the window's rows
    are as they are. Value: the mean over the draws.

    calibration: of the window's population. correlation: of labels within a group. cost: of wrong decisions. seed: of
    the draws.
    """
    generator = np.random.default_rng(seed)
    coefficients = calibration.draws(draws, generator)
    measure, known = DrawnMetrics(window, cost=cost), window.is_known
    facts = (window.labels == 1)[:, np.newaxis]
    parts: list[dict[str, Floats]] = []
    misfits: list[Floats] = []
    for block in _blocks(coefficients, rows=len(window)):
        odds = calibration.log_odds(window.scores, block)
        drawn = draw_labels(odds, window.groups, correlation=correlation, generator=generator)
        misfits.append(_misfit(window, drawn[known].astype(np.float64), calibration))
        parts.append(measure(np.where(known[:, np.newaxis], facts, drawn)))
    samples = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    seen = _misfit(window, window.labels[known][:, np.newaxis], calibration)
    return Simulation(
        metrics={name: Estimate(_mean(values), values) for name, values in samples.items()},
        misfit_p=_tail(seen[:, 0], np.concatenate(misfits, axis=1)),
    )


def rectify(window: ScoredRows, *, calibration: CalibrationMap, cost: Cost, seed: int) -> dict[str, Estimate]:
    """Correct the expected metrics by what the known labels say about them: prediction-powered inference.

    Value: metric of all rows with expected labels + metric of the labelled rows with their labels - the same with
    expected labels (Angelopoulos et al. 2023, Science 382, 669; as a bootstrap of groups for any metric: Zrnic 2024,
    arXiv 2405.18379). It holds whatever the map, if rows of one score are labelled or not without regard to the label.
    The power tuning of PPI++ (Angelopoulos, Duchi & Zrnic 2023, arXiv 2311.01453) is left out: a calibrated map has its
    best factor near 1 where the labelled rows are among all rows, and only factor 1 takes labelled rows with other
    scores than the rest, such as the older ones.

    calibration: of the window's population. cost: of wrong decisions. seed: of the bootstrap.
    """
    known, expected = window.is_known, calibration.probability(window.scores)[:, np.newaxis]
    labelled = window.where(known)
    of_all, of_labelled = SoftMetrics(window, cost=cost), SoftMetrics(labelled, cost=cost)

    def measure(weights: Floats) -> dict[str, Floats]:
        inside = weights[known]
        whole, seen = of_all(expected, weights), of_labelled(labelled.labels[:, np.newaxis], inside)
        said = of_labelled(expected[known], inside)
        return {name: whole[name] + seen[name] - said[name] for name in whole}

    resamples = Resamples(rows=len(window), samples=DRAWS, seed=seed, groups=window.groups)
    values = measure(np.ones((len(window), 1)))
    parts = [measure(weights) for weights in resamples.blocks()]
    return {
        name: Estimate(float(value[0]), np.concatenate([part[name] for part in parts]))
        for name, value in values.items()
    }


def _blocks(coefficients: Floats, *, rows: int) -> Iterator[Floats]:
    per_block = max(1, _BLOCK_BYTES // (16 * rows))
    for start in range(0, coefficients.shape[1], per_block):
        yield coefficients[:, start : start + per_block]


def _misfit(window: ScoredRows, labels: Floats, calibration: CalibrationMap) -> Floats:
    """Residuals of labels of the known rows, as they are and against the log-odds: level and slope of a map."""
    known = window.is_known
    expected = calibration.probability(window.scores[known])
    log_odds_of = log_odds(expected)
    centred = log_odds_of - (log_odds_of.mean() if known.any() else 0.0)
    residuals = labels - expected[:, np.newaxis]
    return np.stack([residuals.sum(axis=0), centred @ residuals])


def _tail(seen: Floats, drawn: Floats) -> float:
    """Monte Carlo p value of the Mahalanobis distance (Davison & Hinkley 1997, §4.2.5)."""
    inverse = np.linalg.pinv(np.cov(drawn))
    centre = drawn.mean(axis=1)
    distance = np.einsum("is,ij,js->s", drawn - centre[:, np.newaxis], inverse, drawn - centre[:, np.newaxis])
    own = (seen - centre) @ inverse @ (seen - centre)
    return float((1 + np.sum(distance >= own)) / (1 + len(distance)))


def _mean(values: Floats) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")
