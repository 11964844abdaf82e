"""The release as a state machine: whatever people, jobs and crashes do in whatever order, the plan can be explained.

Real record in a folder, real registry on SQLite. A change leaves MLflow behind, as a process that dies after its commit
does, until somebody repairs it.
"""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Literal, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from mlops_assets.core.errors import RegistryError
from mlops_assets.core.registry.mlflow_client import mlflow_client
from mlops_assets.core.registry.tag_names import PLAN_TAG
from mlops_assets.core.registry.version import RecordedVerdict
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.release.decision import DecisionKind, decisions_from_tags
from mlops_assets.core.release.plan import Order, ReleasePlan
from mlops_assets.core.release.steps import (
    Approval,
    Strategy,
    advance_trial,
    decide_on,
    put_into_plan,
    roll_back,
)
from mlops_assets_tests.support.homes.small_registry import NOON, PRODUCT, SmallRegistry

VERSIONS = st.integers(1, 4)
CONTROLS = st.sampled_from(["open", "new"])
Control = Literal["open", "new"]
T = TypeVar("T")


class Releases(RuleBasedStateMachine):
    """Beside the record stands what a person with pencil and paper knows: verdicts, and each last decision."""

    original: SmallRegistry

    def __init__(self) -> None:
        super().__init__()
        root = Path(tempfile.mkdtemp())
        shutil.copyfile(self.original.file, root / "mlflow.db")
        self.small = replace(self.original, root=root)
        self.open = self.control("new")
        self.minutes = 0
        self.judged = dict.fromkeys(range(1, 5), 0)
        """How often the evidence of a version changed."""
        self.passes = dict.fromkeys(range(1, 5), True)
        self.words: dict[int, tuple[str, int]] = {}
        """The last decision about a version, and the evidence that it was made on."""
        self.deleted: set[int] = set()
        self.champions: set[int] = set()
        self.approval: Approval = "automatic"

    def teardown(self) -> None:
        if self.small.control.standing(PRODUCT) is not None:
            self.repair()
        shutil.rmtree(self.small.root)

    @initialize(approval=st.sampled_from(["automatic", "manual"]))
    def policy(self, approval: Approval) -> None:
        self.approval = approval

    # What may happen.

    @rule(version=VERSIONS, mode=st.sampled_from(["blue_green", "canary", "shadow"]), by=CONTROLS)
    def put(self, version: int, mode: Strategy, by: Control) -> None:
        control = self.control(by)

        def step() -> ReleasePlan:
            found = control.version(PRODUCT, version)
            return put_into_plan(control, found, mode=mode, order=self.order(), approval=self.approval)

        before = self.standing()
        plan = self.tried(step)
        if plan is not None and plan != before:
            assert self.why_unready(version) is None
            assert version in {arm.version for arm in plan.arms}
            assert mode == "blue_green" or before is not None
        elif plan is None:
            is_impossible = mode != "blue_green" and (before is None or before.champion.version == version)
            assert is_impossible or self.why_unready(version) is not None, "refused without a reason"

    @precondition(lambda self: self.is_trial())
    @rule(by=CONTROLS)
    def advance(self, by: Control) -> None:
        before = self.standing()
        assert before is not None
        assert before.other is not None
        trial = before.other
        control = self.control(by)
        plan = self.tried(lambda: advance_trial(control, PRODUCT, order=self.order(), approval=self.approval))
        why = self.why_unready(trial.version)
        assert (plan is None) == (why is not None), why
        if plan is not None:
            arm = next(arm for arm in plan.arms if arm.version == trial.version)
            assert arm.percent > trial.percent

    @precondition(lambda self: self.standing() is not None)
    @rule(to_version=st.none() | VERSIONS, by=CONTROLS)
    def roll_back(self, to_version: int | None, by: Control) -> None:
        before = self.standing()
        assert before is not None
        control = self.control(by)
        done = self.tried(lambda: roll_back(control, PRODUCT, order=self.order(), to_version=to_version))
        if done is None:
            return
        (arm,) = done.plan.arms
        assert done.plan.arms != before.arms, "nothing was rolled back"
        one_step_back = before.champion.version if before.other is not None else before.previous_champion
        assert arm.version == (to_version or one_step_back)
        assert arm.version in self.champions, "it never answered as champion, so that nothing is returned to"
        assert arm.version == before.champion.version or not self.is_out(arm.version)
        assert set(done.rejected) == {one.version for one in before.arms} - {arm.version}
        for left in done.rejected:
            self.words[left] = ("rejected", self.judged[left])

    @rule(version=VERSIONS, kind=st.sampled_from(["approved", "rejected", "overridden"]), by=CONTROLS)
    def decide(self, version: int, kind: DecisionKind, by: Control) -> None:
        order, control = self.order(), self.control(by)
        said = self.tried(
            lambda: decide_on(
                control, PRODUCT, version, kind, by=order.by, reason=order.reason, at=order.since
            )
        )
        assert (said is None) == (version in self.deleted)
        if said is not None:
            self.words[version] = (kind, self.judged[version])

    @rule(version=VERSIONS, by=CONTROLS)
    def approve_and_release(self, version: int, by: Control) -> None:
        """The usual way, so that several versions have been champions soon."""
        self.decide(version=version, kind="approved", by=by)
        self.put(version=version, mode="blue_green", by=by)

    @rule(version=VERSIONS, passes=st.booleans())
    def judge_anew(self, version: int, passes: bool) -> None:
        if version in self.deleted:
            return
        self.judged[version] += 1
        self.passes[version] = passes
        verdict = RecordedVerdict("auc_floor", "pass" if passes else "fail", f"look {self.judged[version]}")
        self.small.registry.write_verdicts(PRODUCT, version, [verdict])

    @precondition(lambda self: not self.deleted)
    @rule(version=VERSIONS)
    def delete(self, version: int) -> None:
        self.deletes(version)

    @precondition(lambda self: not self.deleted and self.former_champions())
    @rule(data=st.data(), by=CONTROLS)
    def delete_what_a_rollback_would_return_to(self, data: st.DataObject, by: Control) -> None:
        """Seldom met by chance, and what people do: they tidy up in MLflow, and want it back an hour later."""
        version = data.draw(st.sampled_from(self.former_champions()))
        self.deletes(version)
        self.roll_back(to_version=version, by=by)

    def former_champions(self) -> list[int]:
        plan = self.standing()
        return sorted(self.champions - {arm.version for arm in plan.arms}) if plan is not None else []

    def deletes(self, version: int) -> None:
        mlflow_client(self.small.uri).delete_model_version(PRODUCT, str(version))
        self.deleted.add(version)

    @precondition(lambda self: self.standing() is not None)
    @rule()
    def repair(self) -> None:
        plan = self.standing()
        assert plan is not None
        told = self.control("new").repair(PRODUCT)
        shown = mlflow_client(self.small.uri).get_registered_model(PRODUCT)
        assert shown.tags[PLAN_TAG] == plan.to_json()
        other = {"challenger": plan.other.version} if plan.other is not None else {}
        wanted = {"champion": plan.champion.version, **other}
        assert shown.aliases == {name: n for name, n in wanted.items() if n not in self.deleted}
        for version in {arm.version for arm in plan.arms} & self.deleted:
            assert any(words.startswith(f"version {version}, the ") for words in told)
        record = self.control("new").record(PRODUCT)
        for version in set(self.words) - self.deleted:
            tags = mlflow_client(self.small.uri).get_model_version(PRODUCT, str(version)).tags
            assert decisions_from_tags(tags) == record.decisions(version)

    # What must hold.

    @invariant()
    def a_person_can_explain_the_record(self) -> None:
        record = self.control("new").record(PRODUCT)
        assert record.entries == self.open.record(PRODUCT).entries
        assert [plan.sequence for plan in record.plans] == list(range(1, len(record.plans) + 1))
        for plan in record.plans[-1:]:
            self.champions.add(plan.champion.version)
            assert [arm.role for arm in plan.arms].count("champion") == 1
            assert sum(arm.percent for arm in plan.arms) == 100
            assert plan.previous_champion != plan.champion.version
            assert plan.previous_champion is None or plan.previous_champion in self.champions
        for before, after in pairwise(record.entries[-4:]):
            assert before.at <= after.at
        for entry in record.entries[-3:]:
            assert entry.by.strip()
            assert entry.reason.strip()
            assert entry.at.utcoffset() == timedelta(0)

    # What a person knows.

    def why_unready(self, version: int) -> str | None:
        """Why a version may not be released or go on with its trial, by the rules as the documentation tells them."""
        word, on = self.words.get(version, ("", -1))
        is_current = on == self.judged[version]
        if version in self.deleted:
            return "deleted"
        if word == "rejected":
            return "rejected"
        if not self.passes[version] and not (word == "overridden" and is_current):
            return "its gate did not pass"
        if self.approval == "manual" and not (word in ("approved", "overridden") and is_current):
            return "not approved for what is known now"
        return None

    def is_out(self, version: int) -> bool:
        return version in self.deleted or self.words.get(version, ("", 0))[0] == "rejected"

    def standing(self) -> ReleasePlan | None:
        return self.small.control.standing(PRODUCT)

    def is_trial(self) -> bool:
        plan = self.standing()
        return plan is not None and plan.other is not None

    def control(self, which: Control) -> ReleaseControl:
        """One that was open all the time, or a new one; what it changes is committed, and nothing more."""
        if which == "open":
            return self.open
        control = self.small.control
        control.after_change = lambda *_: None
        return control

    def order(self) -> Order:
        self.minutes += 1
        return Order(NOON + timedelta(minutes=self.minutes), "ann", f"order {self.minutes}")

    def tried(self, step: "Callable[[], T]") -> "T | None":
        """What the step returns; None when it is refused, and then the plan is as it was."""
        before = self.standing()
        try:
            return step()
        except RegistryError:
            assert self.standing() == before
            return None


def test_no_sequence_leads_to_a_release_that_a_person_could_not_explain(
    original_registry: SmallRegistry,
) -> None:

    Releases.original = original_registry
    run_state_machine_as_test(
        Releases,
        settings=settings(
            max_examples=10,
            stateful_step_count=30,
            phases=[Phase.generate],
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
