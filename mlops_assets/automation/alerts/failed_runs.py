"""Failed runs, and failed checks of runs that may well be green, as conditions of alerts."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg

from mlops_assets.automation.run_tags import PRODUCT
from mlops_assets.core.alerts.lifecycle import Condition, Key
from mlops_assets.core.alerts.rules import CHECK_FAILURE, RUN_FAILURE, Rule

OVERLAP = timedelta(minutes=2)
"""How far a look reaches back behind the newest run of the one before: runs are not committed in the order of their
times.
"""
MAXIMUM_RUNS = 500
"""Of one look; the rest is for the next one."""
MAXIMUM_STEPS = 5
"""Failed steps that a reason names."""
REMIND_AFTER = timedelta(days=1)
_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
_ASSETS_ALONE = "__ASSET_JOB"
RuleOf = Callable[[str, str], Rule | None]
"""The rule of a product (or of none) by its name; None where it is switched off."""


@dataclass(frozen=True)
class RunsLook:
    """How far the ended runs were read."""

    newest: datetime
    """When the newest run that was read was last changed."""
    read: frozenset[str] = frozenset()
    """Ids of the runs that were read and are not older than OVERLAP before it."""

    @classmethod
    def parse(cls, text: str) -> "RunsLook":
        """Read what `text` wrote."""
        content = json.loads(text)
        return cls(datetime.fromisoformat(content["newest"]), frozenset(content["read"]))

    @property
    def text(self) -> str:
        """The look as it is kept."""
        return json.dumps({"newest": self.newest.isoformat(), "read": sorted(self.read)})


def new_runs(instance: dg.DagsterInstance, look: RunsLook) -> tuple[list[dg.RunRecord], RunsLook]:
    """Return the runs that ended since the look, in the order in which they did, and the look after it."""
    since = look.newest - OVERLAP
    records = instance.get_run_records(
        dg.RunsFilter(statuses=_ENDED, updated_after=since),
        limit=MAXIMUM_RUNS + len(look.read),
        order_by="update_timestamp",
        ascending=True,
    )
    # A tag that is added later changes a run of long ago, and is no news.
    is_late = {r.dagster_run.run_id for r in records if (r.end_time or 0.0) < (since - OVERLAP).timestamp()}
    fresh = [record for record in records if record.dagster_run.run_id not in look.read | is_late]
    newest = max([look.newest, *(_changed(record) for record in fresh)])
    read = {r.dagster_run.run_id for r in records if _changed(r) > newest - OVERLAP}
    return sorted(fresh, key=lambda record: record.end_time or 0.0), RunsLook(newest, frozenset(read))


def run_conditions(
    instance: dg.DagsterInstance,
    records: Sequence[dg.RunRecord],
    *,
    open_keys: Iterable[Key],
    rule_of: RuleOf,
    ui_url: str,
) -> Iterator[Condition]:
    """Say of every run whether it failed, and of every check that it made whether it passed.

    instance, records: the runs, in the order in which they ended. open_keys: the alerts that stand; a success ends
    those of its job and partition. rule_of: how a product is told of such failures. ui_url: Dagster's UI, for links.

    Names of jobs, partitions, steps, assets, checks and classes of errors are told; messages, which can quote rows, are
    not.
    """
    standing = set(open_keys)
    for record in records:
        run = record.dagster_run
        link = f"{ui_url}/runs/{run.run_id}"
        found = [*_run_conditions(instance, run, standing), *_check_conditions(instance, run)]
        for condition in found:
            told = _as_told(condition, rule_of(condition.key.product, condition.key.rule), link)
            if told.state == "firing":
                standing.add(told.key)
            elif told.key not in standing:
                continue  # what is well and was well needs no word
            yield told


def product_of(run: dg.DagsterRun) -> str:
    """The product that the run is of, by its tag or by all its assets; empty for none or several."""
    keys = [*(run.asset_selection or ()), *(c.asset_key for c in run.asset_check_selection or ())]
    of_assets = {key.path[0] for key in keys if len(key.path) > 1}
    return run.tags.get(PRODUCT) or (of_assets.pop() if len(of_assets) == 1 else "")


def work_of(run: dg.DagsterRun) -> str:
    """What the run was to do: its job, or its assets where a person chose them, and its partitions."""
    name = run.job_name
    if name.startswith(_ASSETS_ALONE):
        assets = sorted(key.to_user_string() for key in run.asset_selection or ())
        more = f" and {len(assets) - MAXIMUM_STEPS} more" if len(assets) > MAXIMUM_STEPS else ""
        name = ", ".join(assets[:MAXIMUM_STEPS]) + more or name
    return _of_days(name, run)


def _run_conditions(
    instance: dg.DagsterInstance, run: dg.DagsterRun, standing: Iterable[Key]
) -> list[Condition]:
    product, what = product_of(run), work_of(run)
    if run.status is dg.DagsterRunStatus.SUCCESS:
        mine = [
            key
            for key in standing
            if (key.product, key.rule) == (product, RUN_FAILURE) and key.subject.startswith(f"{what}: ")
        ]
        return [
            Condition(key=key, state="clear", reason=f"run {run.run_id} succeeded") for key in sorted(mine)
        ]
    steps = [f"{event.step_key} ({_error_class(event)})" for event in _step_failures(instance, run)]
    more = f" and {len(steps) - MAXIMUM_STEPS} more" if len(steps) > MAXIMUM_STEPS else ""
    failed = ", ".join(steps[:MAXIMUM_STEPS]) + more or "the run itself"
    key = Key(product, RUN_FAILURE, f"{what}: {failed}")
    return [Condition(key=key, state="firing", reason=f"run {run.run_id} failed: {failed}")]


def _check_conditions(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Iterator[Condition]:
    """Conditions of the run's checks of severity ERROR, in the order of the event log."""
    for log in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        if log.dagster_event is None:
            continue
        check = log.dagster_event.asset_check_evaluation_data
        asset = check.asset_key
        product = asset.path[0] if len(asset.path) > 1 else ""
        key = Key(product, CHECK_FAILURE, f"{_of_days(asset.to_user_string(), run)}: {check.check_name}")
        if check.passed:
            yield Condition(key=key, state="clear", reason=f"the check passed in run {run.run_id}")
        elif check.severity is dg.AssetCheckSeverity.ERROR:
            yield Condition(key=key, state="firing", reason=f"the check failed in run {run.run_id}")


def _as_told(condition: Condition, rule: Rule | None, link: str) -> Condition:
    if rule is None:
        return Condition(key=condition.key, state="clear", reason="the rule is switched off")
    return Condition(
        key=condition.key,
        state=condition.state,
        reason=condition.reason,
        severity=rule.severity,
        runbook=rule.runbook,
        link=link,
        sinks=rule.sinks,
        remind_after=REMIND_AFTER,
    )


def _of_days(name: str, run: dg.DagsterRun) -> str:
    """The name with the run's partitions: what failed of one day is not mended by the success of another."""
    first, last = (run.tags.get(f"dagster/asset_partition_range_{end}") for end in ("start", "end"))
    partition = run.tags.get("dagster/partition") or (f"{first} to {last}" if first and last else None)
    return f"{name}, {partition}" if partition else name


def _step_failures(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[dg.DagsterEvent]:
    logs = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    return [log.dagster_event for log in logs if log.dagster_event is not None]


def _error_class(event: dg.DagsterEvent) -> str:
    """Class of the error that the step's own code raised, below Dagster's wrapper."""
    error = event.step_failure_data.error
    own = error.cause if error is not None and error.cause is not None else error
    return (own.cls_name if own else None) or "no error recorded"


def _changed(record: dg.RunRecord) -> datetime:
    at = record.update_timestamp
    return at if at.tzinfo else at.replace(tzinfo=UTC)
