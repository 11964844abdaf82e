"""A number of a window against the same number of the champion's test rows, both with intervals: three answers."""

from dataclasses import dataclass

import numpy as np

from mlops_assets.core.monitoring.finding import State


@dataclass(frozen=True)
class Measured:
    """A number with its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Allowance:
    """What a number may differ by."""

    size: float
    direction: int
    """1: it may not be lower by more; -1: not higher; 0: neither."""
    wide: float
    """How many times as wide an interval must lie beyond, for alarms to keep the promise."""

    def limit(self, now: Measured, then: Measured) -> float:
        """Return the value at which `now` would alarm, on the side on which it lies."""
        is_above = now.value >= then.value if self.direction == 0 else self.direction < 0
        return then.value + (self.size if is_above else -self.size)


def judge_difference(now: Measured, then: Measured, allowance: Allowance) -> State:
    """Judge how far a number lies from an earlier one that has an interval of its own.

    The interval of the difference follows from both (method of variance estimates recovery, Zou & Donner 2008). `ok`
    where the whole of it is allowed, `alarm` where one that is `wide` times as wide lies beyond what is.
    """
    differs = now.value - then.value
    down = float(np.hypot(now.value - now.low, then.high - then.value))
    up = float(np.hypot(now.high - now.value, then.value - then.low))
    higher, lower = (differs, down, up), (-differs, up, down)
    losses = {1: [lower], -1: [higher], 0: [higher, lower]}[allowance.direction]
    if any(loss - allowance.wide * less > allowance.size for loss, less, _ in losses):
        return "alarm"
    return "ok" if all(loss + more <= allowance.size for loss, _, more in losses) else "inconclusive"
