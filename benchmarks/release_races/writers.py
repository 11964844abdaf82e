"""The processes of a race: two writers that decide on the same record and commit at the same instant, and a reader."""

import os
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from typing import Any, Literal

from benchmarks.release_races.places import Place
from mlops_assets.core.errors import PlatformError
from mlops_assets.core.lakehouse.ledger import Ledger
from mlops_assets.core.registry.mlflow_client import mlflow_client
from mlops_assets.core.registry.registry import ModelRegistry
from mlops_assets.core.registry.tag_names import BENTO_TAG, PLAN_TAG, THRESHOLD_TAG, VIEW_TAG
from mlops_assets.core.registry.tags_mlflow import MlflowRegistryTags
from mlops_assets.core.registry.version import ModelVersion, RecordedVerdict
from mlops_assets.core.release import mirror
from mlops_assets.core.release.control import Decide, ReleaseControl
from mlops_assets.core.release.decision import Decision, decision_to_tag
from mlops_assets.core.release.plan import Order, ReleasePlan, release, rollback, start_canary
from mlops_assets.core.release.record import Entry, ReleaseRecord, decision_entry, plan_entry
from mlops_assets.core.release.steps import decide_on, put_into_plan

VERSIONS = (1, 2, 3)
Kind = Literal["release", "canary", "rollback", "ready", "reject"]
"""Three plans without asking whether the version is ready; a release that asks; a rejection."""
_WAIT_SECONDS = 120.0


@dataclass(frozen=True)
class Task:
    """What a writer is to do."""

    product: str
    by: str
    """Names the race and the writer; no other row has it."""
    kind: Kind
    at: datetime
    version: int
    """That it puts into the plan, or rejects."""
    dies_after_writes: int | None = None
    """It kills itself after so many writes: 0 before the record's commit, 1 after it, then MLflow's calls."""
    dies_after_seconds: float | None = None
    """It is killed so long after it may commit."""


@dataclass(frozen=True)
class Seen:
    """What the reader found after a race."""

    rows: tuple[tuple[str, str, int | None], ...]
    """Kind, by and version of the record's rows."""
    is_left_behind: bool
    """Whether MLflow showed something else before the repair."""
    disagreements: tuple[str, ...]
    """Readers that said something else than the record afterwards."""


class Deadline:
    """Kills the own process after a number of writes."""

    def __init__(self) -> None:
        self.writes_left: int | None = None

    def passed(self) -> None:
        """Count a write."""
        if self.writes_left is None:
            return
        self.writes_left -= 1
        if self.writes_left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self) -> None:
        """Count the commits of the record and the calls that change MLflow."""
        commit, call = Ledger._commit, mirror._Writer.call

        def committed(ledger: Ledger, *arguments: Any) -> None:
            self.passed()
            commit(ledger, *arguments)
            self.passed()

        def called(writer: mirror._Writer, method: str, *arguments: str) -> None:
            call(writer, method, *arguments)
            self.passed()

        Ledger._commit = committed  # pyright: ignore[reportAttributeAccessIssue]
        mirror._Writer.call = called  # pyright: ignore[reportAttributeAccessIssue]


def write_until_told(place: Place, barrier: Barrier, connection: Connection) -> None:
    """Run tasks as they come; answer each with None, or with why it was refused."""
    deadline, controls = Deadline(), dict[str, _Racer]()
    deadline.watch()
    while (task := connection.recv()) is not None:
        control = controls.setdefault(task.product, _Racer(**place.addresses))
        deadline.writes_left = task.dies_after_writes
        connection.send(_raced(control, task, barrier))
        deadline.writes_left = None


@dataclass
class _Racer(ReleaseControl):
    """Decides on the record as it stands, waits until the other has done so too, then commits."""

    barrier: Barrier | None = None
    """None: it does not wait."""
    dies_after_seconds: float | None = None

    def change(self, product: str, decide: Decide, *, follows_plan: bool = True) -> ReleaseRecord:
        """See `ReleaseControl.change`."""

        def decided(record: ReleaseRecord) -> Sequence[Entry]:
            entries = decide(record)
            barrier, self.barrier = self.barrier, None
            if barrier is not None:
                barrier.wait(_WAIT_SECONDS)
                if self.dies_after_seconds is not None:
                    kill = (os.getpid(), signal.SIGKILL)
                    threading.Timer(self.dies_after_seconds, os.kill, kill).start()
            return entries

        return super().change(product, decided, follows_plan=follows_plan)


def _raced(control: _Racer, task: Task, barrier: Barrier) -> str | None:
    control.barrier, control.dies_after_seconds = barrier, task.dies_after_seconds
    try:
        _ask(control, task)
    except PlatformError as error:
        return str(error)
    return None


def _ask(control: ReleaseControl, task: Task) -> None:
    product, order = task.product, Order(task.at, task.by, "a race")
    if task.kind == "reject":
        decide_on(control, product, task.version, "rejected", by=task.by, reason="a race", at=task.at)
    elif task.kind == "ready":
        version = control.version(product, task.version)
        put_into_plan(control, version, mode="blue_green", order=order, approval="automatic")
    else:
        versions = [control.version(product, number) for number in VERSIONS]
        control.change(product, lambda record: _entries(task, record, versions))


def _entries(task: Task, record: ReleaseRecord, versions: Sequence[ModelVersion]) -> Sequence[Entry]:
    plan = _plan(task, record)
    rejections = [
        decision_entry(arm.version, Decision("rejected", task.by, "rolled back", task.at, ""))
        for arm in (record.standing.arms if record.standing is not None and task.kind == "rollback" else ())
        if arm.version != plan.champion.version
    ]
    entering = [v for v in versions if v.version in {arm.version for arm in plan.arms}]
    return (plan_entry(plan, entering), *rejections)


def _plan(task: Task, record: ReleaseRecord) -> ReleasePlan:
    """A plan that differs from the standing one, whatever that is."""
    order, standing = Order(task.at, task.by, "a race"), record.standing
    others = [n for n in VERSIONS if standing is None or n != standing.champion.version]
    wanted = task.version if task.version in others else others[0]
    if task.kind == "canary" and standing is not None:
        share = 1 + (standing.sequence * 7) % 98
        return start_canary(standing, order, version=wanted, percent=share)
    if task.kind == "rollback" and standing is not None:
        return rollback(standing, order, to_version=wanted)
    return release(standing, order, version=wanted)


def read_until_told(place: Place, connection: Connection) -> None:
    """Do with a product as asked: `register` it, `allow` a version that is not released, or `look` after a race."""
    watching = place.control()
    answers = {"register": _register, "allow": _allow, "look": partial(_look, watching=watching)}
    while (asked := connection.recv()) is not None:
        verb, product = asked
        connection.send(answers[verb](place, product))


def _allow(place: Place, product: str) -> tuple[int, int]:
    """Approve a version that does not answer, whatever was decided before; return it and the rows there are."""
    control = place.control()
    record = control.record(product)
    planned = {arm.version for arm in record.standing.arms} if record.standing is not None else set()
    number = next(number for number in VERSIONS if number not in planned)
    latest = record.decisions(number)
    if latest and latest[-1].kind == "rejected":
        at = task_time(len(record.entries))
        decide_on(control, product, number, "approved", by="the reader", reason="another race", at=at)
    return number, len(control.record(product).entries)


def _look(place: Place, product: str, *, watching: ReleaseControl) -> Seen:
    control = place.control()
    registry = MlflowRegistryTags(place.tracking_uri)
    behind = not mirror.Mirror.of(control.record(product)).is_shown(registry.model(product))
    # A writer that was killed may have left an alias behind, which is put back and told.
    problems = [words for words in control.repair(product) if not words.startswith("the alias ")]
    record, shown = control.record(product), registry.model(product)
    plan = record.standing
    if watching.record(product).entries != record.entries or place.control().standing(product) != plan:
        problems.append("a control that was open before says something else")
    if plan is not None and shown.tags.get(PLAN_TAG) != plan.to_json():
        problems.append("MLflow's tag shows another plan")
    if plan is not None and shown.aliases.get("champion") != plan.champion.version:
        problems.append("MLflow's alias champion is another version")
    if shown.aliases.get("challenger") != (plan.other.version if plan is not None and plan.other else None):
        problems.append("MLflow's alias challenger is another version")
    for number in VERSIONS:
        entry, decisions = registry.version(product, number), record.decisions(number)
        names = {decision_to_tag(decision)[0] for decision in decisions}
        if entry is None or not names <= set(entry.tags):
            problems.append(f"MLflow lacks decisions about version {number}")
    rows = tuple((entry.kind, entry.by, entry.version) for entry in record.entries)
    return Seen(rows, behind, tuple(problems))


def _register(place: Place, product: str) -> None:
    """Register three versions that nobody loads."""
    client, registry = mlflow_client(place.tracking_uri), ModelRegistry(place.tracking_uri)
    experiment = client.create_experiment(product)
    for number in VERSIONS:
        run_id = client.create_run(experiment).info.run_id
        logged = client.create_logged_model(experiment, "model", run_id)
        client.finalize_logged_model(logged.model_id, "READY")
        tags = {THRESHOLD_TAG: "0.5", VIEW_TAG: "ab" * 32, BENTO_TAG: f"{product}:v{number}"}
        version = registry.register(product, logged.model_uri, run_id, digest=f"{number:064d}", tags=tags)
        registry.write_verdicts(product, version, [RecordedVerdict("race", "pass", "not judged")])


def task_time(number: int) -> datetime:
    """A time of its own for each race, without a clock."""
    return datetime.fromtimestamp(1_772_366_400 + number, UTC)
