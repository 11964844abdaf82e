"""The canary judge: how often a harmless challenger is rolled back, and how soon harm is found.

python -m benchmarks.canary [--runs N] [--harm-runs N] [--requests N] [--percent P] [--seed N]

Every request is served by the platform's serving code, captured, partly collected, and read back as the judge reads it;
see `benchmarks.canary.served`. A client who gets a 5xx asks again.

Harmless: two equally good versions, judged after every request through a ramp of 1, 5, 25 and 50 %, by all questions
at once: share of canaries that are ever rolled back, with its 95 % Clopper-Pearson interval, in three worlds. In the
first, both versions' scores keep to the entities alike. In the second, those of one version keep to them, and those of
the other, which is as good, do not. In the third, both arms fail for 2 % of the requests, most of them of few
entities. The figure is that without any margin, where alpha has to hold by the test alone; with the default margins it
is shown beside it. Also, on the canaries of the first world, what repeating a fixed-sample test does: errors, latency
and loss of all requests so far, each by a one-sided z test at its part of alpha, every 200 requests.

Harm: one fault at a time, at one percentage; median number of requests (of both arms) until the judge rolls back for
that topic. Beside it, the requests that a fixed-sample z test of the same null hypothesis needs, at the topic's whole
part of alpha and a power of 80 %, when it is told the true rates beforehand and every request is independent. A canary
that is not rolled back within its requests counts as infinitely slow.
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context

import numpy as np
import polars as pl
from rich.console import Console
from rich.progress import track
from scipy import stats

from benchmarks.canary.judged import POLICY, Run, judge_run
from benchmarks.canary.traffic import COST, Harm, Traffic, World
from benchmarks.result import print_json, print_table
from mlops_assets.core.canary.anytime_logrank import Floats
from mlops_assets.core.canary.questions import ALPHA_SHARES, Question, Topic, questions

POWER = 0.8
EQUAL = "aa_abort_rate"
WORLDS: Mapping[str, Traffic] = {
    EQUAL: Traffic(),
    "aa_abort_rate_unequal_persistence": Traffic(persistence=(0.8, 0.1)),
    "aa_abort_rate_errors_in_both_arms": Traffic(error_rate=0.02, frailty=0.1),
}
"""Key of the answer to what is harmless in it; every other canary of a world has the two persistences exchanged."""
HARMS: Mapping[str, tuple[Topic, Harm]] = {
    "errors 0.1 % -> 1 %": ("error", Harm(error_factor=10)),
    "latency + 50 %": ("latency", Harm(latency_factor=1.5)),
    "scores + 1.5 log odds": ("score", Harm(score_shift=1.5)),
    "missed outcomes": ("loss", Harm(score_shift=-2.0)),
}


def main() -> None:
    """Simulate and print."""
    options = _options()
    # Of many small frames one thread makes as much as several; the processes are started anew and read this.
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        harmless = {
            key: simulate(
                pool,
                replace(traffic, requests=options.requests),
                Harm(),
                runs=options.runs,
                seed=options.seed + number * 10_000_000,
                name=key,
            )
            for number, (key, traffic) in enumerate(WORLDS.items())
        }
        traffic = Traffic(requests=4 * options.requests, entities=5_000, percents=(options.percent,))
        delays = {
            name: simulate(
                pool, traffic, harm, runs=options.harm_runs, seed=options.seed + 1_000_000, name=name
            )
            for name, (_, harm) in HARMS.items()
        }
    _print(harmless, {name: _delay(name, runs, traffic) for name, runs in delays.items()})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=1000, help="harmless canaries of each world")
    parser.add_argument("--harm-runs", type=int, default=60, help="canaries per harm")
    parser.add_argument("--requests", type=int, default=4_000, help="requests of a harmless canary")
    parser.add_argument("--percent", type=int, default=10, help="the challenger's share while it does harm")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first canary")
    parser.add_argument("--processes", type=int, default=2)
    return parser.parse_args()


def simulate(
    pool: ProcessPoolExecutor, traffic: Traffic, harm: Harm, *, runs: int, seed: int, name: str
) -> tuple[Run, ...]:
    """Judge `runs` canaries of their own seeds, and show on a terminal how far it is.

    pool: the processes that judge. traffic, harm: what the simulated requests are like. seed: of the first run. name:
    what is shown.
    """
    seeds = range(seed, seed + runs)
    judged = pool.map(partial(judge_run, traffic, harm), seeds, chunksize=max(1, runs // 50))
    return tuple(track(judged, description=name, total=runs, console=Console(stderr=True)))


@dataclass(frozen=True)
class Delay:
    """How soon one harm was found."""

    topic: Topic
    runs: int
    found: float
    """Share of the canaries that were rolled back for it."""
    median: float
    quartiles: tuple[float, float]
    fixed_sample: float

    @property
    def ratio(self) -> float:
        """Median over the fixed sample."""
        return self.median / self.fixed_sample


def _delay(name: str, runs: tuple[Run, ...], traffic: Traffic) -> Delay:
    topic, harm = HARMS[name]
    at = np.array([run.first_at[topic] for run in runs])
    low, median, high = np.quantile(at, [0.25, 0.5, 0.75], method="higher")
    return Delay(
        topic=topic,
        runs=len(runs),
        found=float(np.isfinite(at).mean()),
        median=float(median),
        quartiles=(float(low), float(high)),
        fixed_sample=fixed_sample(topic, harm, traffic),
    )


def fixed_sample(topic: Topic, harm: Harm, traffic: Traffic) -> float:
    """Return the requests of both arms that a fixed-sample test of the topic's strongest question needs.

    The true means and variances come from a large draw. The null hypothesis is the judge's own: mean harm at the
    margin, whose odds ratio is turned into a mean at the champion's rate.
    """
    world = World(replace(traffic, entities=100_000), seed=1)
    known, drawn = world.reference(), world.draw(400_000)
    answers = [drawn.answers(version, harm) for version in (0, 1)]
    asked = [one for one in questions(POLICY, known, COST) if one.topic == topic]
    alpha, share = POLICY.alpha * ALPHA_SHARES[topic], traffic.percents[-1] / 100
    return min(_needed(answers, question, alpha=alpha, share=share) for question in asked)


def _needed(answers: Sequence[pl.DataFrame], question: Question, *, alpha: float, share: float) -> float:
    champion, challenger = (
        rows.filter((question.topic == "error") | ~pl.col("has_failed"))
        .select(question.harm.alias("harm"))["harm"]
        .drop_nulls()
        .to_numpy()
        for rows in answers
    )
    sign = 1.0 if question.direction == "more" else -1.0
    effect = sign * (challenger.mean() - _mean_at_limit(champion, question.limit))
    if effect <= 0:
        return float("inf")
    spread = challenger.var() / share + champion.var() / (1 - share)
    return float((stats.norm.isf(alpha) + stats.norm.ppf(POWER)) ** 2 * spread / effect**2)


def _mean_at_limit(champion: Floats, ratio: float) -> float:
    """Mean harm of a challenger whose harm follows the champion's, tilted by `ratio` to the power of the harm."""
    weight = ratio**champion
    return float((champion * weight).sum() / weight.sum())


def _print(harmless: Mapping[str, tuple[Run, ...]], delays: Mapping[str, Delay]) -> None:
    rates = {
        key: _rate([min(run.first_without_margin.values()) < np.inf for run in runs])
        for key, runs in harmless.items()
    }
    margins = {
        f"{key}_with_margins": _rate([min(run.first_at.values()) < np.inf for run in runs])
        for key, runs in harmless.items()
    }
    naive = {"naive_abort_rate": _rate([run.is_naively_rejected for run in harmless[EQUAL]])}
    print_table(
        f"{len(harmless[EQUAL]):,} harmless canaries of each world, looked at after every request",
        ["share that was rolled back", "rate", "95 % interval", "alpha"],
        [
            [key, rate, _shown(interval), POLICY.alpha]
            for key, (rate, interval) in (rates | margins | naive).items()
        ],
    )
    print_table(
        f"Requests until a harm is found, {POWER:.0%} power for the fixed sample",
        ["harm", "found", "median", "quartiles", "fixed sample", "ratio"],
        [
            [name, d.found, d.median, _shown(d.quartiles), d.fixed_sample, d.ratio]
            for name, d in delays.items()
        ],
    )
    ratios = [delay.ratio for delay in delays.values()]
    print_json(
        {
            "alpha": POLICY.alpha,
            **{key: rate for key, (rate, _) in (rates | margins | naive).items()},
            "intervals": {key: interval for key, (_, interval) in (rates | margins | naive).items()},
            "aa_runs": len(harmless[EQUAL]),
            "aa_abort_rates_by_topic": {key: _by_topic(runs) for key, runs in harmless.items()},
            "delay_vs_fixed_sample": _finite(float(np.median(ratios))),
            "spread": [_finite(min(ratios)), _finite(max(ratios))],
            "harms": {name: _harm(delay) for name, delay in delays.items()},
        }
    )


def _by_topic(runs: tuple[Run, ...]) -> dict[Topic, float]:
    return {
        topic: float(np.mean([run.first_without_margin[topic] < np.inf for run in runs]))
        for topic in ALPHA_SHARES
    }


def _harm(delay: Delay) -> dict[str, object]:
    found = stats.binomtest(round(delay.found * delay.runs), delay.runs).proportion_ci(0.95, method="exact")
    return {
        "topic": delay.topic,
        "found": delay.found,
        "found_interval": [float(found.low), float(found.high)],
        "median": _finite(delay.median),
        "fixed_sample": _finite(delay.fixed_sample),
        "ratio": _finite(delay.ratio),
    }


def _rate(hits: list[bool]) -> tuple[float, tuple[float, float]]:
    interval = stats.binomtest(sum(hits), len(hits)).proportion_ci(0.95, method="exact")
    return float(np.mean(hits)), (float(interval.low), float(interval.high))


def _finite(value: float) -> float | None:
    """JSON has no infinity."""
    return value if np.isfinite(value) else None


def _shown(pair: tuple[float, float]) -> str:
    return f"{pair[0]:.4g} to {pair[1]:.4g}"


if __name__ == "__main__":
    main()
