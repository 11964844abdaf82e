"""Release steps as jobs: what `mlops release` and `mlops rollback` do, for the web UI and other automation.

Each asks who and why, as the command line does; the sensor `<product>__show_release` shows the new plan on the page of
the asset `release`.
"""

from collections.abc import Callable
from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from mlops_assets.automation.run_tags import PRODUCT
from mlops_assets.core.product_spec import ProductSpec
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.release.plan import Order, ReleasePlan
from mlops_assets.core.release.steps import RolledBack, Strategy, advance_trial, put_into_plan, roll_back
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets.resources.releases import release_control
from mlops_assets.resources.tracking import TrackingResource


class StepConfig(dg.Config):
    """Who asks for the step, and why."""

    by: str = Field(description="A person's name or address, or what automation decided.")
    reason: str = Field(description="Why; shown forever in the release history.")
    version: int | None = Field(
        default=None,
        description="The version to try (none: the newest), or to return to (none: one step back).",
    )
    plan_sequence: int | None = Field(
        default=None,
        description="The plan that the step is meant for; refused when another one stands by then. None: any.",
    )


Step = Callable[[ReleaseControl, StepConfig, Order], ReleasePlan | RolledBack]


def release_jobs(spec: ProductSpec) -> list[dg.JobDefinition]:
    """Build the jobs that change the product's release plan."""
    approval = spec.release.approval

    def advance(control: ReleaseControl, config: StepConfig, order: Order) -> ReleasePlan:
        return advance_trial(
            control, spec.name, order=order, approval=approval, under_plan=config.plan_sequence
        )

    def rollback(control: ReleaseControl, config: StepConfig, order: Order) -> RolledBack:
        return roll_back(
            control,
            spec.name,
            order=order,
            to_version=config.version,
            under_plan=config.plan_sequence,
        )

    return [
        _job(spec, "start_canary", _trial(spec, "canary"), "Try a version on the first share of the ramp."),
        _job(
            spec, "start_shadow", _trial(spec, "shadow"), "Let a version score silently beside the champion."
        ),
        _job(spec, "advance", advance, "Take the next step of the trial; after the last it is the champion."),
        _job(spec, "rollback", rollback, "Return to the champion before, or end the trial that runs."),
    ]


def _trial(spec: ProductSpec, mode: Strategy) -> Step:
    policy = spec.release

    def start(control: ReleaseControl, config: StepConfig, order: Order) -> ReleasePlan:
        number = config.version
        return put_into_plan(
            control,
            control.version(spec.name, number) if number is not None else control.newest(spec.name),
            mode=mode,
            order=order,
            approval=policy.approval,
            ramp=policy.ramp,
            under_plan=config.plan_sequence,
        )

    return start


def _job(spec: ProductSpec, verb: str, step: Step, description: str) -> dg.JobDefinition:
    name = f"{spec.name}__{verb}"

    @dg.op(name=f"{name}_step", description=description, out=dg.Out(dg.Nothing))
    def change(
        context: dg.OpExecutionContext,
        config: StepConfig,
        lakehouse: LakehouseResource,
        tracking: TrackingResource,
    ) -> None:
        order = Order.of_person(since=datetime.now(UTC), by=config.by, reason=config.reason)
        done = step(release_control(lakehouse, tracking), config, order)
        plan = done.plan if isinstance(done, RolledBack) else done
        for words in done.warnings if isinstance(done, RolledBack) else ():
            context.log.warning(words)
        context.log.info(f"release plan {plan.sequence}: {plan.mode}, {plan.arms}")
        context.add_output_metadata(
            {"plan": dg.MetadataValue.json(plan.to_json()), "sequence": plan.sequence}
        )

    @dg.job(name=name, description=description, tags={PRODUCT: spec.name})
    def job() -> None:
        change()

    return job
