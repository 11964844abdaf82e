"""Alerts about failed runs and about failed checks of runs that ended well.

An alert is a log line and, where a webhook is configured, one JSON POST. It names the job, the step, the
error's class and the page to look at, never a message, a value or a configuration: messages can quote rows.
"""

import logging
from dataclasses import asdict, dataclass
from typing import Literal

import dagster as dg
import httpx

from mlops_assets.automation.run_tags import PRODUCT

TIMEOUT_SECONDS = 5.0
ATTEMPTS = 2
MAXIMUM_ALERTS = 20
"""Failed checks of one run that are told one by one."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Alert:
    """One thing that went wrong, as it is posted."""

    kind: Literal["run_failure", "check_failure"]
    product: str
    """Empty for a run of no single product."""
    job: str
    run_id: str
    subject: str
    """The failed step and the class of its error, or the asset and its failed check."""
    link: str


def post_alert(alert: Alert, *, webhook: str | None) -> bool:
    """Log the alert and post it as JSON to `webhook`, when there is one; say whether it was delivered.

    Each of two attempts ends after five seconds. A webhook that does not answer is logged and never raises:
    the failure that the alert is about stays in Dagster either way. The webhook's address, which may hold a
    token, is not logged.
    """
    logger.error("%s: %s, job %s, run %s", alert.kind, alert.subject, alert.job, alert.run_id)
    if webhook is None:
        return False
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every address at INFO
    problem = ""
    for _ in range(ATTEMPTS):
        try:
            response = httpx.post(webhook, json=asdict(alert), timeout=TIMEOUT_SECONDS)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            problem = type(error).__name__
            continue
        if response.is_success:
            return True
        problem = f"HTTP {response.status_code}"
    logger.error("the alert about run %s was not delivered: %s", alert.run_id, problem)
    return False


def run_failure_alert(*, webhook: str | None, dagster_ui_url: str) -> dg.SensorDefinition:
    """Make the sensor `alert_on_run_failure`, switched off: every failed run of this code location."""

    @dg.run_failure_sensor(
        name="alert_on_run_failure",
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Logs every failed run and posts it to MLOPS_ALERT_WEBHOOK.",
    )
    def alert_on_run_failure(context: dg.RunFailureSensorContext) -> None:
        run = context.dagster_run
        failed = [f"{event.step_key} ({_error_class(event)})" for event in context.get_step_failure_events()]
        subject = ", ".join(failed[:MAXIMUM_ALERTS]) or "the run itself"
        post_alert(_alert("run_failure", run, subject, dagster_ui_url), webhook=webhook)

    return alert_on_run_failure


def check_failure_alert(*, webhook: str | None, dagster_ui_url: str) -> dg.SensorDefinition:
    """Make the sensor `alert_on_check_failure`, switched off: failed ERROR checks of runs that succeeded.

    Such a run is green in the UI, and no run failure sensor hears of it (dagster#29896).
    """

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.SUCCESS,
        name="alert_on_check_failure",
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Logs failed ERROR checks of successful runs and posts them to MLOPS_ALERT_WEBHOOK.",
    )
    def alert_on_check_failure(context: dg.RunStatusSensorContext) -> None:
        for subject in failed_checks(context.instance, context.dagster_run.run_id)[:MAXIMUM_ALERTS]:
            alert = _alert("check_failure", context.dagster_run, subject, dagster_ui_url)
            post_alert(alert, webhook=webhook)

    return alert_on_check_failure


def failed_checks(instance: dg.DagsterInstance, run_id: str) -> tuple[str, ...]:
    """List the failed checks of severity ERROR of a run, as `asset: check`, in the order of the event log."""
    logs = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    evaluations = [
        log.dagster_event.asset_check_evaluation_data for log in logs if log.dagster_event is not None
    ]
    return tuple(
        f"{evaluation.asset_key.to_user_string()}: {evaluation.check_name}"
        for evaluation in evaluations
        if not evaluation.passed and evaluation.severity is dg.AssetCheckSeverity.ERROR
    )


def _alert(
    kind: Literal["run_failure", "check_failure"], run: dg.DagsterRun, subject: str, dagster_ui_url: str
) -> Alert:
    return Alert(
        kind=kind,
        product=run.tags.get(PRODUCT, ""),
        job=run.job_name,
        run_id=run.run_id,
        subject=subject,
        link=f"{dagster_ui_url}/runs/{run.run_id}",
    )


def _error_class(event: dg.DagsterEvent) -> str:
    """Class of the error that the step's own code raised, below Dagster's wrapper."""
    error = event.step_failure_data.error
    own = error.cause if error is not None and error.cause is not None else error
    return (own.cls_name if own else None) or "no error recorded"
