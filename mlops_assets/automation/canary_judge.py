"""Ask for the next step of a canary, or for its end, as the judge says: a pure decision, and the sensor around it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

import dagster as dg

from mlops_assets.automation.run_tags import EVIDENCE, JUDGEMENT, PLAN_SEQUENCE, PRODUCT, TRIGGER
from mlops_assets.core.canary.canary import Canary
from mlops_assets.core.canary.evidence import read_reference
from mlops_assets.core.canary.evidence_log import is_open, log_judgement
from mlops_assets.core.canary.judge import Action, Judgement
from mlops_assets.core.canary.questions import Reference
from mlops_assets.core.canary.standing import find_canary, find_ended_canary, judge_standing
from mlops_assets.core.errors import ConfigurationError, RegistryError
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.online_store.protocol import OnlineStore
from mlops_assets.core.product_spec import ProductSpec
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.release.notes import JUDGED, Note, note
from mlops_assets.core.release.plan import Order
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets.resources.online_stores import OnlineStores
from mlops_assets.resources.releases import release_control
from mlops_assets.resources.tracking import TrackingResource

MINIMUM_INTERVAL_SECONDS = 30
PAST_STEPS = 20
VERBS: dict[Action, str] = {"advance": "advance", "roll_back": "rollback"}
"""What a judgement asks for, as the last part of the job's name."""


@dataclass(frozen=True)
class PastStep:
    """A step that the judge asked for earlier."""

    sequence: int
    """The plan that stood when it was asked for."""
    action: Action
    state: Literal["running", "succeeded", "failed"]
    ended_at: datetime | None
    run_id: str


@dataclass(frozen=True)
class Decision:
    """What to ask for, and why; without a run key, nothing."""

    reason: str
    run_key: str | None = None


def decide(
    judgement: Judgement, past: Sequence[PastStep], *, canary: Canary, cooldown: timedelta, now: datetime
) -> Decision:
    """Decide whether the judgement is to be acted on now.

    Once per plan and action: not while a step that was asked for under the plan runs, nor after it succeeded. A step
    that failed is asked for again after the cool-down, under a key of its own.

    past: the steps that were asked for so far, whatever became of them. canary: the one that was judged. cooldown: how
    long after a failure.
    """
    if judgement.action == "hold":
        return Decision(judgement.reason)
    asked = [step for step in past if step.sequence == canary.step.sequence]
    running = [step for step in asked if step.state == "running"]
    if running:
        return Decision(f"{judgement.reason}; run {running[0].run_id} has not ended")
    same = [step for step in asked if step.action == judgement.action]
    done = [step for step in same if step.state == "succeeded"]
    if done:
        return Decision(
            f"{judgement.reason}; run {done[0].run_id} was to do that and ended, but plan {canary.step.sequence} stands"
        )
    ends = [step.ended_at for step in same if step.ended_at is not None]
    if ends and now - max(ends) < cooldown:
        return Decision(
            f"{judgement.reason}; the run for it failed, the next may be asked for at {max(ends) + cooldown}"
        )
    again = f":after-{len(same)}-failures" if same else ""
    key = f"{canary.product}:{VERBS[judgement.action]}:plan-{canary.step.sequence}{again}"
    return Decision(judgement.reason, run_key=key)


def canary_judge_sensor(spec: ProductSpec, *, jobs: Sequence[dg.JobDefinition]) -> dg.SensorDefinition:
    """Make the sensor `<product>__canary_judge`, switched off, which runs `<product>__advance` or
    `<product>__rollback` when the judge says so.

    Its runs carry the judgement, its evidence and the plan that it is about as tags. A tick without a canary costs one
    look at the release record.

    Raises: ConfigurationError when one of the two jobs is missing.
    """
    references = _References(spec)

    @dg.sensor(
        name=f"{spec.name}__canary_judge",
        jobs=_chosen(spec, jobs),
        minimum_interval_seconds=MINIMUM_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=(
            "Judges the canary that stands by its errors, latency, scores and known outcomes: takes its next "
            "step, holds it, or rolls it back. A harmless one is rolled back with a probability of at most "
            f"{spec.release.judge.alpha:g}."
        ),
    )
    def canary_judge(
        context: dg.SensorEvaluationContext,
        lakehouse: LakehouseResource,
        tracking: TrackingResource,
        online_stores: dg.ResourceParam[OnlineStores],
    ) -> dg.RunRequest | dg.SkipReason:
        control = release_control(lakehouse, tracking)
        tables, now = lakehouse.tables, datetime.now(UTC)
        standing = find_canary(spec.name, control)
        canary = standing or find_ended_canary(spec.name, control)
        if canary is None or (standing is None and not is_open(tables, canary)):
            return dg.SkipReason("no canary stands")
        with online_stores.opened(spec.name) as store:
            try:
                reference = references.of(canary, tables=tables, control=control, store=store)
            except RegistryError as error:
                if standing is not None:
                    raise
                return dg.SkipReason(f"no canary stands; a last judgement is not possible: {error}")
            judged = judge_standing(spec, canary, reference=reference, tables=tables, store=store, now=now)
        log_judgement(tables, canary, judged.judgement, at=now, is_final=standing is None)
        _note(control, canary, judged.judgement, now=now)
        if standing is None:
            return dg.SkipReason(
                f"no canary stands; the last judgement on version {canary.challenger} is noted"
            )
        return _asked(context, spec, judged.judgement, canary, now=now)

    return canary_judge


def _chosen(spec: ProductSpec, jobs: Sequence[dg.JobDefinition]) -> list[dg.JobDefinition]:
    """Return the jobs that the judge asks for.

    Raises: ConfigurationError when one is missing.
    """
    targets = {f"{spec.name}__{verb}" for verb in VERBS.values()}
    chosen = [job for job in jobs if job.name in targets]
    if len(chosen) != len(targets):
        raise ConfigurationError(
            f"the canary judge of {spec.name} needs the jobs {', '.join(sorted(targets))}"
        )
    return chosen


@dataclass
class _References:
    """What was known before the last canary: it does not change, and takes two models and their test rows to read."""

    spec: ProductSpec
    known: dict[tuple[int, int], Reference] = field(default_factory=dict)

    def of(
        self, canary: Canary, *, tables: DeltaTables, control: ReleaseControl, store: OnlineStore
    ) -> Reference:
        """Return the canary's reference, read at its first look; see `read_reference`."""
        key = (canary.challenger, canary.steps[0].sequence)
        if key not in self.known:
            found = read_reference(self.spec, canary, tables=tables, control=control, store=store)
            self.known = {key: found}
        return self.known[key]


def _asked(
    context: dg.SensorEvaluationContext,
    spec: ProductSpec,
    judgement: Judgement,
    canary: Canary,
    *,
    now: datetime,
) -> dg.RunRequest | dg.SkipReason:
    """Ask for what a standing canary's judgement says, or say why not."""
    cooldown = timedelta(minutes=spec.release.judge.cooldown_minutes)
    past = read_past_steps(context.instance, spec.name)
    decision = decide(judgement, past, canary=canary, cooldown=cooldown, now=now)
    if decision.run_key is None:
        return dg.SkipReason(decision.reason)
    context.log.info(f"asking for {decision.run_key}: {decision.reason}")
    return _request(decision.run_key, judgement, canary)


def _note(control: ReleaseControl, canary: Canary, judgement: Judgement, *, now: datetime) -> None:
    """Note a judgement that is acted on, once per plan; every change of it stands in `canary_evidence`."""
    if judgement.action == "hold":
        return
    asked = {"action": judgement.action, "plan": canary.step.sequence}
    order = Order(since=now, by=f"{canary.product}__canary_judge", reason=judgement.reason)
    known = control.record(canary.product).entries
    if not any(entry.kind == JUDGED and dict(entry.detail) == asked for entry in known):
        note(control, canary.product, Note(JUDGED, canary.challenger, asked), order=order)


def read_past_steps(instance: dg.DagsterInstance, product: str) -> tuple[PastStep, ...]:
    """Read the steps that the judge asked for from their runs' tags, newest first."""
    asked = dg.RunsFilter(tags={PRODUCT: product, TRIGGER: "canary_judge"})
    steps = []
    for record in instance.get_run_records(filters=asked, limit=PAST_STEPS):
        run = record.dagster_run
        ended = datetime.fromtimestamp(record.end_time, UTC) if record.end_time else None
        action: Action = "advance" if run.job_name.endswith(f"__{VERBS['advance']}") else "roll_back"
        state = "running" if not run.is_finished else "succeeded" if run.is_success else "failed"
        steps.append(PastStep(int(run.tags[PLAN_SEQUENCE]), action, state, ended, run.run_id))
    return tuple(steps)


def _request(run_key: str, judgement: Judgement, canary: Canary) -> dg.RunRequest:
    job_name = f"{canary.product}__{VERBS[judgement.action]}"
    config = {
        "by": f"{canary.product}__canary_judge",
        "reason": judgement.reason,
        "plan_sequence": canary.step.sequence,
    }
    evidence = judgement.evidence.select("question", "verdict", "evidence", "evidence_limit")
    return dg.RunRequest(
        run_key=run_key,
        job_name=job_name,
        run_config={"ops": {f"{job_name}_step": {"config": config}}},
        tags={
            PRODUCT: canary.product,
            TRIGGER: "canary_judge",
            PLAN_SEQUENCE: str(canary.step.sequence),
            JUDGEMENT: judgement.reason,
            EVIDENCE: json.dumps(evidence.to_dicts()),
        },
    )
