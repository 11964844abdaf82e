"""Shows the release plan of a product, its history, and whether this host's services follow it."""

import json
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from mlops_assets.commands.release import describe_plan
from mlops_assets.core.errors import RegistryError
from mlops_assets.core.registry.mlflow_client import give_up_soon
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.release.plan import ReleasePlan
from mlops_assets.core.serving.follower_status import FollowerStatus, status_file
from mlops_assets.core.settings import Settings


@dataclass(frozen=True)
class ReleaseHistory:
    """What stands and what stood."""

    product: str
    standing: ReleasePlan | None
    plans: tuple[ReleasePlan, ...]
    """All plans, oldest first, the standing one last."""
    follower: FollowerStatus
    """Of this host; empty where no service runs."""
    mirror_problems: tuple[str, ...] = ()
    """Why MLflow does not show what the record says; empty when it does."""

    def to_json(self) -> dict[str, object]:
        """Return everything as JSON types."""
        at = self.follower.last_success_at
        return {
            "product": self.product,
            "standing": json.loads(self.standing.to_json()) if self.standing else None,
            "history": [json.loads(plan.to_json()) for plan in self.plans],
            "mirror_problems": list(self.mirror_problems),
            "follower": {
                "plan_sequence": self.follower.plan_sequence,
                "last_success_at": at.isoformat() if at else None,
                "last_error": self.follower.last_error,
            },
        }


def release_history(settings: Settings, product: str) -> ReleaseHistory:
    """Collect the plans of the release record, and let MLflow show what it says.

    Raises: TableError when the lakehouse does not answer.
    """
    give_up_soon()
    control = ReleaseControl.of(settings)
    record = control.record(product)
    return ReleaseHistory(
        product=product,
        standing=record.standing,
        plans=record.plans,
        mirror_problems=_repaired(control, product),
        follower=FollowerStatus.read(status_file(settings.serving_home, product)),
    )


def _repaired(control: ReleaseControl, product: str) -> tuple[str, ...]:
    try:
        return control.repair(product)
    except RegistryError as error:
        return (str(error),)


def print_history(history: ReleaseHistory, *, console: Console) -> None:
    """Print the standing plan, the services' state and one row per plan, newest first."""
    if history.standing is None:
        console.print(f"{history.product}: nothing was released yet")
        return
    console.print(describe_plan(history.product, history.standing), highlight=False, soft_wrap=True)
    console.print(_following(history), highlight=False, soft_wrap=True)
    for problem in history.mirror_problems:
        console.print(f"MLflow does not show this: {problem}", highlight=False, soft_wrap=True)
    table = Table("plan", "since (UTC)", "mode", "champion", "on trial", "by", "reason")
    for plan in reversed(history.plans):
        other = plan.other
        table.add_row(
            str(plan.sequence),
            f"{plan.since:%Y-%m-%d %H:%M:%S}",
            plan.mode.replace("_", "-"),
            str(plan.champion.version),
            f"{other.version} ({other.role}, {other.percent} %)" if other else "–",
            plan.by,
            plan.reason,
        )
    console.print(table)


def _following(history: ReleaseHistory) -> str:
    follower = history.follower
    if follower.plan_sequence is None and follower.last_error is None:
        return "services of this host: none has run yet"
    seen = f"{follower.last_success_at:%Y-%m-%d %H:%M:%S} UTC" if follower.last_success_at else "never"
    told = f"services of this host: plan {follower.plan_sequence or '–'}, last in step with the release record {seen}"
    return f"{told}; {follower.last_error}" if follower.last_error else told
