"""The check `monitors_ran` of `verdicts`: whether every monitor of the product's own could be run."""

from collections.abc import Sequence

import dagster as dg

from mlops_assets.core.monitoring.custom.monitors import FILE, Failure
from mlops_assets.core.product import Product

MONITORS_RAN = "monitors_ran"


def monitors_check(product: Product) -> list[dg.AssetCheckSpec]:
    """The check; none for a product without monitors of its own."""
    if not product.monitors:
        return []
    key = dg.AssetKey([product.name, "verdicts"])
    return [dg.AssetCheckSpec(MONITORS_RAN, asset=key, description=f"Every monitor of {FILE} could be run.")]


def monitors_ran(
    context: dg.AssetExecutionContext, product: Product, failures: Sequence[tuple[str, Failure]]
) -> list[dg.AssetCheckResult]:
    """Say which monitors could not be run; the run's log gets each error once, as Python prints it.

    failures: of all windows of the run, each with the window's name.
    """
    if not product.monitors:
        return []
    windows: dict[str, list[str]] = {}
    for window, failure in failures:
        told = f"{failure.name}: {failure.where}"
        if told not in windows:
            context.log.error("the monitor %s of %s\n%s", failure.name, product.name, failure.details)
        windows.setdefault(told, []).append(window)
    words = [f"{told} ({len(names)} windows, the last of {names[-1]})" for told, names in windows.items()]
    return [
        dg.AssetCheckResult(
            check_name=MONITORS_RAN,
            passed=not words,
            severity=dg.AssetCheckSeverity.ERROR,
            description="; ".join(words) or f"{len(product.monitors)} monitors could be run",
            metadata={"monitors": len(product.monitors), "failed": len(words)},
        )
    ]
