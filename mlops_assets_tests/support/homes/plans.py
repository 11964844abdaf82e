"""Release plans as a test wants them, written by the control as production writes them."""

from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.release.plan import ReleasePlan
from mlops_assets.core.release.record import plan_entry


def write_plan(control: ReleaseControl, product: str, plan: ReleasePlan) -> None:
    """Put the plan after the one that stands, without asking whether its versions are ready."""
    known = control.record(product)
    entering = [
        control.version(product, arm.version) for arm in plan.arms if not known.has_released(arm.version)
    ]
    control.change(product, lambda _: (plan_entry(plan, entering),))
