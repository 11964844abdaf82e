"""Judges how long a bento's answers took under load: against the champion's in the same minute, and against limits."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from mlops_assets.core.bento.load_probe import LoadProbe

Verdict = Literal["pass", "fail", "inconclusive"]

SANITY_P99_MS = 10_000.0
"""What no bento may need that nobody set a limit for: a client has given up by then."""


@dataclass(frozen=True)
class LatencyLimits:
    """What a product declares about the latency of a bento."""

    margin: float
    """Share by which its p99 may exceed the champion's."""
    maximum_p99_ms: float | None = None
    """An absolute limit of the product; None for none but SANITY_P99_MS."""


@dataclass(frozen=True)
class LatencyVerdict:
    """A verdict with its reason and figures."""

    verdict: Verdict
    reason: str
    ratio: float | None = None
    """The p99 of a turn over that of the champion's turn beside it, in the median; None without a champion."""
    ratio_low: float | None = None
    ratio_high: float | None = None
    """The second smallest and the second largest ratio: with 8 turns an interval for the median of 93 %, whatever the
    distribution (order statistics; David and Nagaraja 2003, section 7.1).
    """
    champion_spread: float | None = None
    """The champion's second slowest turn over its second fastest: how much the machine alone changes a p99."""


def judge_latency(probe: LoadProbe, limits: LatencyLimits) -> LatencyVerdict:
    """Compare the turns of a probe with the champion's, and with the absolute limit.

    A fail needs at least all turns but one to be slower than the champion's beside them by more than the margin, and by
    more than the champion's own turns differ. A pass needs all but one within the margin. Anything else is
    inconclusive: the machine was too busy to tell, or the difference is about the margin.

    Absolute limits fail a bento when all turns but one were slower. They tell nothing where the champion, which serves,
    was slower than that in the same run, too.
    """
    relative = _relative(probe, limits.margin) if probe.champion_p99_by_turn_ms else None
    if relative is not None and relative.verdict == "fail":
        return relative
    limit = SANITY_P99_MS if limits.maximum_p99_ms is None else limits.maximum_p99_ms
    named = "release.maximum_p99_ms" if limits.maximum_p99_ms is not None else "the limit for any bento"
    found = f"99 of 100 answers under load took up to {probe.p99_ms:.0f} ms, {named} is {limit:g} ms"
    fastest, _ = _inner(probe.p99_by_turn_ms)
    if fastest > limit:
        if relative is None:
            return LatencyVerdict("fail", found)
        _, slowest = _inner(probe.champion_p99_by_turn_ms)
        if slowest <= limit:
            return replace(
                relative, verdict="fail", reason=f"{found}; the champion's bento took up to {slowest:.0f} ms"
            )
        return replace(
            relative,
            verdict="inconclusive",
            reason=f"{found}; the champion's bento took up to {slowest:.0f} ms",
        )
    if relative is None:
        return LatencyVerdict("pass", f"not compared: {probe.not_compared_because}; {found}")
    return relative


def _relative(probe: LoadProbe, margin: float) -> LatencyVerdict:
    pairs = zip(probe.p99_by_turn_ms, probe.champion_p99_by_turn_ms, strict=True)
    ratios = sorted(ours / theirs for ours, theirs in pairs)
    low, high = _inner(ratios)
    fastest, slowest = _inner(probe.champion_p99_by_turn_ms)
    middle = (ratios[(len(ratios) - 1) // 2] + ratios[len(ratios) // 2]) / 2
    spread = slowest / fastest
    allowed = 1 + margin
    found = (
        f"the p99 under load is {middle:.2f} times the champion's ({low:.2f} to {high:.2f}, "
        f"{allowed:g} is allowed)"
    )
    verdict = LatencyVerdict("inconclusive", found, middle, low, high, spread)
    if high <= allowed:
        return replace(verdict, verdict="pass", reason=found)
    if low > max(allowed, spread):
        return replace(verdict, verdict="fail", reason=found)
    return replace(
        verdict,
        verdict="inconclusive",
        reason=f"{found}; the champion's own turns differ by a factor of {spread:.2f}",
    )


def _inner(values: Sequence[float]) -> tuple[float, float]:
    """Return the second smallest and the second largest value; of fewer than four the smallest and the largest."""
    ordered = sorted(values)
    cut = 1 if len(ordered) > 3 else 0
    return ordered[cut], ordered[-1 - cut]
