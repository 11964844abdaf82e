"""Ask for a retraining when the monitoring reports alarm: a pure decision, and the sensor around it."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

import dagster as dg

from mlops_assets.automation.asking_windows import AskingWindow, asking_windows
from mlops_assets.automation.run_tags import AS_OF, CAUSE, CHAMPION_VERSION, PRODUCT, TRIGGER, WINDOW_END
from mlops_assets.automation.window_verdicts import (
    Window,
    newest_record,
    read_windows,
    reporting_run,
)
from mlops_assets.core.errors import ConfigurationError
from mlops_assets.core.product_spec import Monitoring, ProductSpec
from mlops_assets.core.release.notes import RETRAIN_ASKED, Note, note
from mlops_assets.core.release.plan import Order
from mlops_assets.core.release.words import shown
from mlops_assets.resources.lakehouse import LakehouseResource
from mlops_assets.resources.releases import release_control
from mlops_assets.resources.tracking import TrackingResource

MINIMUM_INTERVAL_SECONDS = 60
PAST_RETRAININGS = 50
"""How many of the latest retrainings that drift asked for are read."""


@dataclass(frozen=True)
class PastRetraining:
    """A retraining that drift asked for earlier."""

    champion_version: int
    window_end: date
    """Last day of the newest window when it was asked for: the data's own time."""
    causes: frozenset[str]
    state: Literal["running", "succeeded", "failed"]
    run_id: str


@dataclass(frozen=True)
class Decision:
    """What to do about the latest windows, and why; the rest is null when there is nothing to ask."""

    action: Literal["retrain", "wait"]
    reason: str
    run_key: str | None = None
    causes: tuple[str, ...] = ()
    window_end: date | None = None
    champion_version: int | None = None


@dataclass(frozen=True)
class Look:
    """What the sensor found when it last looked at new reports; kept as its cursor."""

    record: int
    """Storage id of the newest report."""
    answer: str
    at: datetime

    @classmethod
    def read(cls, cursor: str | None) -> "Look | None":
        """Read what `to_json` wrote; None for another cursor, which makes the sensor look anew."""
        try:
            content = json.loads(cursor or "")
            return cls(int(content["record"]), str(content["answer"]), datetime.fromisoformat(content["at"]))
        except (ValueError, TypeError, KeyError):
            return None

    def to_json(self) -> str:
        """Return the cursor."""
        return json.dumps({"record": self.record, "answer": self.answer, "at": self.at.isoformat()})

    def answer_again(self) -> str:
        """Say again what was answered, and since when there was nothing new."""
        return f"{self.answer} (no report since {shown(self.at)})"


def decide(
    windows: Sequence[Window],
    past: Sequence[PastRetraining],
    *,
    product: str,
    monitoring: Monitoring,
    label_delay: timedelta = timedelta(0),
) -> Decision:
    """Decide whether the latest windows ask for a retraining.

    windows: verdicts of the product's reports, oldest record first. They ask when at least `alarms` of the
    `of_windows` latest windows of the present champion ask, each as `asking_windows` says. They ask once per cause: not
    while a retraining runs, not within `cooldown_days` of the last one in the data's own time, and not for causes that
    a retraining of the same champion already answered since the alarm began. A retraining that failed answered nothing,
    and is asked for again after the cool-down. The same arguments give the same decision and the same run key; no clock
    is read.

    past: retrainings that drift asked for. product: its name. monitoring: k, n and the cool-down. label_delay: time
    from an event to its outcome.
    """
    if not windows:
        return Decision("wait", "no window has been judged yet")
    champion, newest = _newest(windows)
    own = [window for window in windows if window.champion_version == champion]
    judged = asking_windows(own, label_delay=label_delay)
    latest = judged[-monitoring.of_windows :]
    asking = [window for window in latest if window.asks]
    tally = f"{len(asking)} of the {len(latest)} latest windows of version {champion} alarm"
    if len(asking) < monitoring.alarms:
        needed = f"{tally}, {monitoring.alarms} of {monitoring.of_windows} are needed"
        return Decision("wait", "; ".join([needed, *_passed_over(latest)]))
    causes = frozenset().union(*(window.causes for window in asking))
    began = _alarm_began(judged, monitoring)
    obstacle = _obstacle(past, causes, champion=champion, newest=newest, began=began, monitoring=monitoring)
    if obstacle is not None:
        return Decision("wait", f"{tally}, but {obstacle}")
    named = tuple(sorted(causes))
    return Decision(
        action="retrain",
        reason=f"{tally} since {began}: {', '.join(named)}",
        run_key=_run_key(past, named, product=product, champion=champion, began=began),
        causes=named,
        window_end=newest,
        champion_version=champion,
    )


def _passed_over(latest: Sequence[AskingWindow]) -> Iterator[str]:
    """Say why windows that drift, or have a broken source, ask for nothing."""
    held = [one for one in latest if one.is_drift and not one.asks and one.broken is None]
    broken = [one for one in latest if one.broken is not None]
    of = f"of {len(latest)} windows"
    if held:
        drifted = "drifts" if len(held) == 1 else "drift"
        yield f"{len(held)} {of} {drifted}, but the quality is known to hold: {held[-1].holds}"
    if broken:
        have = "has" if len(broken) == 1 else "have"
        yield f"{len(broken)} {of} {have} a broken source: {broken[-1].broken}"


def _newest(windows: Sequence[Window]) -> tuple[int, date]:
    """The champion of the newest window and that window's end; the later record wins a tie."""
    newest = max(enumerate(windows), key=lambda item: (item[1].window_end, item[0]))[1]
    return newest.champion_version, newest.window_end


def _alarm_began(judged: Sequence[AskingWindow], monitoring: Monitoring) -> date:
    """End of the first window since which k of n have asked without a break."""
    asks = [window.asks for window in judged]
    began = len(asks) - 1
    while began > 0 and sum(asks[max(0, began - monitoring.of_windows) : began]) >= monitoring.alarms:
        began -= 1
    return judged[began].end


def _obstacle(
    past: Sequence[PastRetraining],
    causes: frozenset[str],
    *,
    champion: int,
    newest: date,
    began: date,
    monitoring: Monitoring,
) -> str | None:
    running = [retraining for retraining in past if retraining.state == "running"]
    if running:
        return f"the retraining asked for on {running[0].window_end} (run {running[0].run_id}) has not ended"
    last = max((retraining.window_end for retraining in past), default=None)
    if last is not None and newest - last < timedelta(days=monitoring.cooldown_days):
        until = last + timedelta(days=monitoring.cooldown_days)
        return f"drift asked for a retraining on {last}, and the cool-down lasts until {until}"
    answered = [r for r in _of_alarm(past, champion, began) if r.state == "succeeded"]
    if answered and causes <= frozenset().union(*(retraining.causes for retraining in answered)):
        return (
            f"the retraining asked for on {answered[-1].window_end} (run {answered[-1].run_id}) had the same "
            f"cause and version {champion} is still the champion; drift asks once per cause, a person or the "
            "schedule may ask again"
        )
    return None


def _of_alarm(past: Sequence[PastRetraining], champion: int, began: date) -> list[PastRetraining]:
    same = [r for r in past if r.champion_version == champion and r.window_end >= began]
    return sorted(same, key=lambda retraining: retraining.window_end)


def _run_key(
    past: Sequence[PastRetraining], causes: tuple[str, ...], *, product: str, champion: int, began: date
) -> str:
    digest = hashlib.sha256(json.dumps(causes).encode()).hexdigest()[:12]
    failed = [r for r in _of_alarm(past, champion, began) if r.state == "failed"]
    again = f":after-{failed[-1].window_end}" if failed else ""
    return f"{product}:v{champion}:{began}:{digest}{again}"


def retrain_on_drift_sensor(
    spec: ProductSpec,
    job_name: str,
    *,
    run_config: Callable[[date], Mapping[str, object]] | None = None,
) -> dg.SensorDefinition:
    """Make the sensor `<product>__retrain_on_drift`, switched off, which runs the job when `decide` says so.

    Its runs carry the product, the cause, the window and `mlops/as_of` as tags; `run_config` makes the run's
    configuration from the same as-of day. A tick without a new report stops after three small queries.

    Raises: ConfigurationError for a product without a time axis, which has no windows.
    """
    if spec.time is None:
        raise ConfigurationError(
            f"{spec.name} has no time axis, so it has no windows that a drift sensor could watch"
        )

    @dg.sensor(
        name=f"{spec.name}__retrain_on_drift",
        job_name=job_name,
        minimum_interval_seconds=MINIMUM_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=_described(spec.monitoring),
    )
    def retrain_on_drift(
        context: dg.SensorEvaluationContext, lakehouse: LakehouseResource, tracking: TrackingResource
    ) -> dg.SensorResult:
        newest = newest_record(context.instance, spec.name)
        look = Look.read(context.cursor)
        if look is not None and look.record == newest:
            return dg.SensorResult(skip_reason=look.answer_again(), cursor=context.cursor)
        if (run_id := reporting_run(context.instance, spec.name)) is not None:
            waits = f"run {run_id} is still reporting; its windows are looked at when it has ended"
            return dg.SensorResult(skip_reason=waits, cursor=context.cursor)
        decision = decide(
            read_windows(context.instance, spec.name),
            read_past_retrainings(context.instance, spec.name),
            product=spec.name,
            monitoring=spec.monitoring,
            label_delay=spec.label_delay,
        )
        now = datetime.now(UTC)
        cursor = Look(newest, decision.reason, now).to_json()
        if decision.action == "wait":
            return dg.SensorResult(skip_reason=decision.reason, cursor=cursor)
        context.log.info("asking for a retraining: %s", decision.reason)
        noted = Note(
            RETRAIN_ASKED, decision.champion_version, {"run_key": decision.run_key, "causes": decision.causes}
        )
        order = Order(since=now, by=f"{spec.name}__retrain_on_drift", reason=decision.reason)
        note(release_control(lakehouse, tracking), spec.name, noted, order=order)
        return dg.SensorResult(
            run_requests=[_request(decision, product=spec.name, run_config=run_config)], cursor=cursor
        )

    return retrain_on_drift


def _described(monitoring: Monitoring) -> str:
    return (
        f"Asks for a retraining when {monitoring.alarms} of the {monitoring.of_windows} latest windows alarm: of a "
        "loss of quality, seen or estimated, or of drift while nothing says that the quality holds. Once per cause, "
        f"and at most every {monitoring.cooldown_days} days of the data's own time."
    )


def read_past_retrainings(instance: dg.DagsterInstance, product: str) -> tuple[PastRetraining, ...]:
    """Read the runs that drift asked for from their tags, newest first; a re-execution counts by itself."""
    asked = dg.RunsFilter(tags={PRODUCT: product, TRIGGER: "drift"})
    runs = [record.dagster_run for record in instance.get_run_records(filters=asked, limit=PAST_RETRAININGS)]
    return tuple(
        PastRetraining(
            champion_version=int(run.tags[CHAMPION_VERSION]),
            window_end=date.fromisoformat(run.tags[WINDOW_END]),
            causes=frozenset(json.loads(run.tags[CAUSE])),
            state=_state(run),
            run_id=run.run_id,
        )
        for run in runs
    )


def _state(run: dg.DagsterRun) -> Literal["running", "succeeded", "failed"]:
    if not run.is_finished:
        return "running"
    return "succeeded" if run.is_success else "failed"


def _request(
    decision: Decision, *, product: str, run_config: Callable[[date], Mapping[str, object]] | None
) -> dg.RunRequest:
    if decision.window_end is None:
        raise ConfigurationError(f"{product}: a decision to retrain needs the window that asked for it")
    as_of = decision.window_end + timedelta(days=1)
    return dg.RunRequest(
        run_key=decision.run_key,
        run_config=run_config(as_of) if run_config else None,
        tags={
            PRODUCT: product,
            TRIGGER: "drift",
            CAUSE: json.dumps(decision.causes),
            WINDOW_END: decision.window_end.isoformat(),
            CHAMPION_VERSION: str(decision.champion_version),
            AS_OF: as_of.isoformat(),
        },
    )
