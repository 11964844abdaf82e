"""Shows the release plan of a product, its history, and whether this host's services follow it."""

import json
from dataclasses import dataclass

from rich.console import Console
from rich.table import Column, Table

from mlops_assets.commands.plain_text import plain
from mlops_assets.commands.release import describe_plan
from mlops_assets.core.errors import RegistryError
from mlops_assets.core.registry.mlflow_client import give_up_soon
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.release.plan import ReleasePlan
from mlops_assets.core.release.record import VERSIONS, Entry
from mlops_assets.core.release.words import what
from mlops_assets.core.serving.host.follower_status import FollowerStatus, status_file
from mlops_assets.core.settings import Settings

_COLUMNS = ("when (UTC)", "what", "who", "why")


@dataclass(frozen=True)
class ReleaseHistory:
    """What stands and what stood."""

    product: str
    standing: ReleasePlan | None
    entries: tuple[Entry, ...]
    """All plans and decisions, oldest first."""
    follower: FollowerStatus
    """Of this host; empty where no service runs."""
    mirror_problems: tuple[str, ...] = ()
    """What MLflow does not show as the record says, or what people changed there; empty when it shows the record."""

    @property
    def plans(self) -> tuple[ReleasePlan, ...]:
        """All plans, oldest first, the standing one last."""
        return tuple(entry.plan for entry in self.entries if entry.plan is not None)

    def to_json(self) -> dict[str, object]:
        """Return everything as JSON types."""
        at = self.follower.last_success_at
        return {
            "product": self.product,
            "standing": json.loads(self.standing.to_json()) if self.standing else None,
            "history": [json.loads(plan.to_json()) for plan in self.plans],
            "decisions": [_as_json(entry) for entry in self.entries],
            "mirror_problems": list(self.mirror_problems),
            "follower": {
                "plan_sequence": self.follower.plan_sequence,
                "last_success_at": at.isoformat() if at else None,
                "last_error": self.follower.last_error,
            },
        }


def _as_json(entry: Entry) -> dict[str, object]:
    """An entry as JSON types, of a plan its number only: the whole plan is in the history."""
    return {
        "at": entry.at.isoformat(),
        "kind": entry.kind,
        "version": entry.version,
        "plan": entry.plan.sequence if entry.plan is not None else None,
        "by": entry.by,
        "reason": entry.reason,
        "evidence": entry.evidence,
        "detail": {name: value for name, value in entry.detail.items() if name != VERSIONS},
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
        entries=record.entries,
        mirror_problems=_repaired(control, product),
        follower=FollowerStatus.read(status_file(settings.serving_home, product)),
    )


def _repaired(control: ReleaseControl, product: str) -> tuple[str, ...]:
    try:
        return control.repair(product)
    except RegistryError as error:
        return (str(error),)


def print_history(history: ReleaseHistory, *, console: Console) -> None:
    """Print the standing plan, the services' state and one row per plan and decision, newest first."""
    if history.standing is None:
        console.print(f"{history.product}: nothing was released yet")
    else:
        console.print(
            plain(describe_plan(history.product, history.standing)), highlight=False, soft_wrap=True
        )
        console.print(plain(_following(history)), highlight=False, soft_wrap=True)
    for problem in history.mirror_problems:
        console.print(f"MLflow: {plain(problem)}", highlight=False, soft_wrap=True)
    if not history.entries:
        return
    table = Table(*(Column(name, no_wrap=name == "when (UTC)", overflow="fold") for name in _COLUMNS))
    for entry in reversed(history.entries):
        table.add_row(
            f"{entry.at:%Y-%m-%d %H:%M:%S}", plain(what(entry)), plain(entry.by), plain(entry.reason)
        )
    console.print(table)


def _following(history: ReleaseHistory) -> str:
    follower = history.follower
    if follower.plan_sequence is None and follower.last_error is None:
        return "services of this host: none has run yet"
    seen = f"{follower.last_success_at:%Y-%m-%d %H:%M:%S} UTC" if follower.last_success_at else "never"
    told = f"services of this host: plan {follower.plan_sequence or '–'}, last in step with the release record {seen}"
    return f"{told}; {follower.last_error}" if follower.last_error else told
