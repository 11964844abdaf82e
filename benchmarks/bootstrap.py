"""Bootstrap intervals: how long they take beside scikit-learn's metrics, and how often they hold the truth.

python -m benchmarks.bootstrap [--rows N] [--resamples N] [--repeats N]

Speed: AUC and average precision of one score under the same resamples, ours in one call, scikit-learn's one
call per resample with `sample_weight`; alternating, same answers checked. Coverage: samples are drawn from a
known distribution of log-odds, the model's are a multiple of them (1: perfectly calibrated), and the nominal
95 % intervals of the evaluation are compared with the metric of two million rows.
"""

import argparse
import time

import numpy as np

from benchmarks.result import print_json, print_table, ratio_with_spread
from mlops_assets.core.evaluation.bootstrap import Resamples, percentile_interval
from mlops_assets.core.evaluation.metrics import METRICS, Floats, Labels, ProbabilityMetrics, RankingMetrics

COVERED = ("auc", "average_precision", "brier", "calibration_error")
RESAMPLES = 300
CASES = {
    # name: rows, mean and spread of the true log-odds, factor of the model's log-odds
    "cohort, calibrated": (1_800, -0.7, 1.3, 1.0),
    "cohort, too sure": (1_800, -0.7, 1.3, 1.5),
    "rare, calibrated": (10_000, -4.0, 1.2, 1.0),
    "rare, too sure": (10_000, -4.0, 1.2, 1.4),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=70_000, help="rows of the speed comparison")
    parser.add_argument(
        "--resamples", type=int, default=20, help="resamples of the speed comparison, per round"
    )
    parser.add_argument("--repeats", type=int, default=100, help="samples per case of the coverage")
    options = parser.parse_args()
    speed = _speed(rows=options.rows, resamples=options.resamples)
    coverage = {name: _coverage(case, repeats=options.repeats) for name, case in CASES.items()}
    table = [[name, *(found[metric] for metric in COVERED)] for name, found in coverage.items()]
    print_table("Share of nominal 95 % intervals that hold the truth", ["case", *COVERED], table)
    print_json({**speed, "coverage": coverage})


def _speed(*, rows: int, resamples: int, rounds: int = 3) -> dict[str, object]:
    from sklearn.metrics import average_precision_score, roc_auc_score

    labels, scores = _draw(np.random.default_rng(0), rows, mean=-5.0, spread=1.5, factor=1.0)
    ours: list[float] = []
    peers: list[float] = []
    for seed in range(rounds):
        weights = next(Resamples(rows=rows, samples=resamples, seed=seed).blocks())
        start = time.perf_counter()
        found = RankingMetrics(labels, scores)(weights)
        ours.append(time.perf_counter() - start)
        start = time.perf_counter()
        expected = [
            (
                roc_auc_score(labels, scores, sample_weight=w),
                average_precision_score(labels, scores, sample_weight=w),
            )
            for w in weights.T
        ]
        peers.append(time.perf_counter() - start)
        if not np.allclose(np.stack([found["auc"], found["average_precision"]], axis=1), expected, rtol=1e-9):
            raise SystemExit("ours and scikit-learn's answers differ")
    speedup, spread = ratio_with_spread(peers, ours)
    rows_table = [["ours", min(ours) / resamples], ["scikit-learn", min(peers) / resamples]]
    print_table(f"AUC and average precision of {rows:,} rows", ["who", "seconds per resample"], rows_table)
    return {"speedup_vs_scikit_learn": speedup, "spread": spread, "rows": rows, "resamples": resamples}


def _coverage(case: tuple[int, float, float, float], *, repeats: int) -> dict[str, float]:
    rows, mean, spread, factor = case
    generator = np.random.default_rng(1)
    truth = _metrics(*_draw(generator, 2_000_000, mean=mean, spread=spread, factor=factor), None)
    if factor == 1.0:
        truth["calibration_error"] = np.zeros(1)  # what the two million rows show beyond it is noise
    held = dict.fromkeys(COVERED, 0)
    for seed in range(repeats):
        labels, scores = _draw(generator, rows, mean=mean, spread=spread, factor=factor)
        values = _metrics(labels, scores, None)
        samples = _metrics(labels, scores, Resamples(rows=rows, samples=RESAMPLES, seed=seed))
        for metric in COVERED:
            is_folded = METRICS[metric].is_folded
            value = float(values[metric][0])
            interval = percentile_interval(samples[metric], value=value, confidence=0.95, is_folded=is_folded)
            if interval.low is not None and interval.high is not None:
                held[metric] += interval.low <= truth[metric][0] <= interval.high
    return {metric: count / repeats for metric, count in held.items()}


def _metrics(labels: Labels, scores: Floats, resamples: Resamples | None) -> dict[str, Floats]:
    ranking, probability = RankingMetrics(labels, scores), ProbabilityMetrics(labels, scores)
    blocks = [np.ones((len(labels), 1))] if resamples is None else list(resamples.blocks())
    parts = [ranking(weights) | probability(weights) for weights in blocks]
    return {metric: np.concatenate([part[metric] for part in parts]) for metric in COVERED}


def _draw(
    generator: np.random.Generator, rows: int, *, mean: float, spread: float, factor: float
) -> tuple[Labels, Floats]:
    logits = generator.normal(mean, spread, rows)
    labels = (generator.random(rows) < 1 / (1 + np.exp(-logits))).astype(np.int8)
    return labels, 1 / (1 + np.exp(-factor * logits))


if __name__ == "__main__":
    main()
