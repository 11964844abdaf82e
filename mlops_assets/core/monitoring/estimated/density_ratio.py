"""How much more frequent each reference row is in a window's population, told by a classifier."""

from dataclasses import dataclass

import numpy as np

from mlops_assets.core.evaluation.metrics import Booleans, Floats
from mlops_assets.core.model.calibration import fit_calibrator, log_odds
from mlops_assets.core.monitoring.estimated.scored_rows import Integers, ScoredRows

LARGEST_RATIO = 20.0
"""Rows that are more than so many times as frequent in the window as in the reference lie outside its support."""
FITTED_ROWS = 4_000
"""Of each side that the trees are fitted on; all rows are judged by them."""
_FOLDS = 3
_ROUNDS = 30
_PARAMETERS = {
    "objective": "binary",
    "learning_rate": 0.2,
    "num_leaves": 8,
    "max_bin": 63,
    "min_data_in_leaf": 50,
    "feature_fraction": 0.8,
    "lambda_l2": 5.0,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
}


@dataclass(frozen=True)
class Shift:
    """How a window's population differs from the reference's."""

    weights: Floats
    """Density of the window by that of the reference, at each reference row, with mean 1."""
    outside_share: float
    """Share of the window's rows that lie outside the reference's support."""

    @property
    def effective_rows(self) -> float:
        """Rows that would tell as much without weights (Kish 1965, Survey Sampling, §11.7)."""
        return float(self.weights.sum() ** 2 / (self.weights**2).sum())


def shift_between(reference: ScoredRows, window: ScoredRows, *, seed: int) -> Shift:
    """Tell the rows of the two apart by features and score, and turn the odds into a density ratio.

    The ratio at x is P(window | x) / P(reference | x) · rows of the reference / rows of the window (Bickel, Brückner &
    Scheffer 2009, Discriminative Learning Under Covariate Shift). Each row is judged by trees that saw no row of its
    group, and the probabilities are calibrated by a sigmoid of slope 0 or more: where the two cannot be told apart, all
    ratios are 1. Of many rows the trees are fitted on a sample.
    """
    features = np.vstack([_inputs(reference), _inputs(window)])
    is_window = np.repeat([0.0, 1.0], [len(reference), len(window)])
    groups = np.concatenate([reference.groups, window.groups + reference.groups.max() + 1])
    chosen = np.concatenate([_chosen(len(rows), seed=seed) for rows in (reference, window)])
    raw = _cross_fitted(features, is_window, _folds(groups, seed=seed), chosen=chosen, seed=seed)
    probability = fit_calibrator(raw, is_window, choice="sigmoid", seed=seed).apply(raw)
    ratio = np.exp(log_odds(probability)) * len(reference) / len(window)
    of_reference, of_window = np.split(ratio, [len(reference)])
    return Shift(of_reference / of_reference.mean(), float(np.mean(of_window > LARGEST_RATIO)))


def _inputs(rows: ScoredRows) -> Floats:
    return np.column_stack([rows.features, log_odds(rows.scores)])


def _folds(groups: Integers, *, seed: int) -> Integers:
    shuffled = np.random.default_rng(seed).permutation(int(groups.max()) + 1)
    return shuffled[groups] % _FOLDS


def _chosen(rows: int, *, seed: int) -> Booleans:
    """Mark the rows that trees may be fitted on."""
    chosen = np.zeros(rows, dtype=np.bool_)
    chosen[np.random.default_rng(seed).permutation(rows)[:FITTED_ROWS]] = True
    return chosen


def _cross_fitted(
    features: Floats, is_window: Floats, fold: Integers, *, chosen: Booleans, seed: int
) -> Floats:
    import lightgbm as lgb

    parameters = {**_PARAMETERS, "seed": seed, "num_threads": 1}
    found = np.full(len(is_window), is_window.mean())
    whole = lgb.Dataset(features[chosen], label=is_window[chosen], params=parameters).construct()
    for held_out in range(_FOLDS):
        judged, inside = fold == held_out, np.flatnonzero(fold[chosen] != held_out)
        if not 0 < is_window[chosen][inside].mean() < 1 or not judged.any():
            continue  # fewer groups than folds: its rows keep the overall share
        booster = lgb.train(parameters, whole.subset(inside.tolist()), num_boost_round=_ROUNDS)
        found[judged] = np.asarray(booster.predict(features[judged], num_threads=0))
    return found
