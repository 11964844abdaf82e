"""Puts versions into the release plan, advances trials and rolls back: what `mlops release` and `mlops rollback` do.

Nothing is imported here that a rollback need not wait for.
"""

from dataclasses import dataclass

from mlops_assets.catalogue import read_product_spec
from mlops_assets.commands.mirror import mirror_in_background
from mlops_assets.core.errors import ConfigurationError
from mlops_assets.core.free_text import harmless
from mlops_assets.core.registry.mlflow_client import give_up_soon
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.release.decision import Decision, DecisionKind
from mlops_assets.core.release.plan import Order, ReleasePlan
from mlops_assets.core.release.steps import (
    RolledBack,
    Strategy,
    advance_trial,
    decide_on,
    put_into_plan,
    roll_back,
)
from mlops_assets.core.release.words import described
from mlops_assets.core.settings import Settings


@dataclass(frozen=True)
class TrialOptions:
    """How a version is put into the plan; None takes what the product declares."""

    mode: Strategy | None = None
    percent: int | None = None
    ramp: str | None = None
    """Percentages, separated by commas."""


def run_release(
    settings: Settings, product: str, *, version: int | None, options: TrialOptions, order: Order
) -> ReleasePlan:
    """Put the version, by default the newest, into the plan; return the plan that now stands.

    settings, product: whose release plan is changed. options: how much of the traffic, and in which mode. order: who
    asks, why and when.

    Raises: ConfigurationError for options that contradict each other, and as `put_into_plan` does.
    """
    policy = read_product_spec(product).release
    mode = options.mode or policy.strategy
    if options.percent is not None and mode != "canary":
        raise ConfigurationError(
            f"--percent is the share of a canary, but the mode is {mode.replace('_', '-')}"
        )
    control = _control(settings)
    return put_into_plan(
        control,
        control.version(product, version) if version is not None else control.newest(product),
        mode=mode,
        order=order,
        approval=policy.approval,
        percent=options.percent,
        ramp=_ramp(options.ramp) if options.ramp else policy.ramp,
    )


def run_advance(settings: Settings, product: str, *, order: Order) -> ReleasePlan:
    """Take the next step of the trial; return the plan that now stands."""
    approval = read_product_spec(product).release.approval
    return advance_trial(_control(settings), product, order=order, approval=approval)


def run_rollback(settings: Settings, product: str, *, to_version: int | None, order: Order) -> RolledBack:
    """Take one step back, or return to a version; what leaves the plan is rejected."""
    return roll_back(_control(settings), product, order=order, to_version=to_version)


def describe_plan(product: str, plan: ReleasePlan) -> str:
    """Return the plan as one line for people."""
    return f"{product} {described(plan)}; by {harmless(plan.by)} ({harmless(plan.reason)})"


def run_decision(
    settings: Settings, product: str, version: int, kind: DecisionKind, *, order: Order
) -> Decision:
    """Record what a person decides about a version.

    settings, product: whose record. kind: what is decided. order: who asks, why and when.
    """
    return decide_on(
        _control(settings), product, version, kind, by=order.by, reason=order.reason, at=order.since
    )


def _control(settings: Settings) -> ReleaseControl:
    give_up_soon()
    return ReleaseControl.of(settings, after_change=mirror_in_background)


def _ramp(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(step) for step in text.split(","))
    except ValueError as error:
        raise ConfigurationError(f"--ramp is {text!r}; give percentages such as 1,5,25,50,100") from error
