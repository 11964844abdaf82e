"""When an estimate without labels is not to be trusted: each assumption that can be seen to fail, and how."""

from collections.abc import Mapping

import numpy as np

from mlops_assets.core.monitoring.estimated.density_ratio import LARGEST_RATIO, Shift
from mlops_assets.core.monitoring.estimated.scored_rows import ScoredRows
from mlops_assets.core.product_spec import Evaluation, Monitoring

LEAST_ROWS = 200
"""Of window, reference and known labels, whatever the report's limit: fewer carry no density ratio and no bootstrap."""
CONTRADICTION_LEVEL = 0.01
"""How often labels that come from the map itself are called contradicting."""
LARGEST_OUTSIDE_SHARE = 0.1
_NOTICED = 0.5
"""Part of the allowed loss from which on a difference matters."""


def least_rows(monitoring: Monitoring) -> int:
    """Return the rows that an estimate needs."""
    return max(monitoring.minimum_rows, LEAST_ROWS)


def too_few(reference: ScoredRows, window: ScoredRows, monitoring: Monitoring) -> str | None:
    """Say what is missing for any estimate, by the limits of the performance report; None where nothing is."""
    least = least_rows(monitoring)
    for name, rows in (("window", len(window)), ("reference", len(reference))):
        if rows < least:
            return f"the {name} has {rows} rows, {least} are needed"
    positives = int(reference.labels.sum())
    fewer = min(positives, len(reference) - positives)
    if fewer < monitoring.minimum_positives:
        return f"the reference has {fewer} rows of its rarer class, {monitoring.minimum_positives} are needed"
    return None


def outside_support(reference: ScoredRows, shift: Shift, monitoring: Monitoring) -> str | None:
    """Say how far the window lies outside what the reference has seen; None where it is close enough."""
    if shift.outside_share > LARGEST_OUTSIDE_SHARE:
        return (
            f"{shift.outside_share:.0%} of the window's rows are more than {LARGEST_RATIO:.0f} times as frequent "
            "there as in the reference"
        )
    if shift.effective_rows < least_rows(monitoring):
        return (
            f"the reference tells about the window's population as much as {shift.effective_rows:.0f} rows of it "
            f"would, {least_rows(monitoring)} are needed"
        )
    for label, name in ((1, "positive"), (0, "negative")):
        weights = shift.weights[reference.labels == label]
        effective = weights.sum() ** 2 / (weights**2).sum()
        if effective < monitoring.minimum_positives:
            return f"of its {name} reference rows only {effective:.0f} effective ones are like the window's"
    return None


def allowed_losses(
    references: Mapping[str, float], *, base_rate: float, evaluation: Evaluation, monitoring: Monitoring
) -> dict[str, float]:
    """Return by how much each metric may get worse: the share of its value that the primary metric may lose.

    Of calibration bias it is that share of the base rate. references: the champion's values on the reference.
    base_rate: share of the label 1 there. evaluation, monitoring: the primary metric and its `performance_drop`.
    """
    share = monitoring.performance_drop / max(abs(references[evaluation.primary_metric]), 1e-12)
    sizes = {**references, "calibration_bias": base_rate}
    losses = {name: share * abs(size) for name, size in sizes.items()}
    return {**losses, evaluation.primary_metric: monitoring.performance_drop}


def contradicted(seen: float, expected: float, *, misfit_p: float, allowed: float) -> str | None:
    """Say that known labels contradict a metric's estimate: surely, and by more than half of the allowed loss.

    seen, expected: the metric of the labelled rows with their labels and with expected ones. misfit_p: probability of
    such labels if the map held. allowed: the loss that is allowed.
    """
    if misfit_p > CONTRADICTION_LEVEL or not abs(seen - expected) > _NOTICED * allowed:
        return None
    return (
        f"the labels that are known contradict it: on their rows it is {seen:.4g}, {expected:.4g} were expected "
        f"(p {misfit_p:.2g} at a level of {CONTRADICTION_LEVEL:g})"
    )


def not_calibrated(of_reference: float, expected: float, *, allowed: float) -> str | None:
    """Say that the method does not give back the champion's value on the reference itself; None where it does.

    of_reference: that value. expected: what the scores lead one to expect there. allowed: the loss that is allowed.
    """
    if np.isnan(of_reference) or abs(of_reference - expected) <= _NOTICED * allowed:
        return None
    return (
        f"the score is not calibrated on the reference: {expected:.4g} would be expected there, "
        f"the labels say {of_reference:.4g}"
    )
