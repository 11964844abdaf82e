"""The sensor `alerts`: evaluates rules, sees failures, and delivers."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime

import dagster as dg

from mlops_assets.automation.alerts.look import Looked, Watch
from mlops_assets.core.alerts.outbox import LOCK
from mlops_assets.core.errors import AlertError, PlatformError
from mlops_assets.core.settings import Settings
from mlops_assets.embedded.one_at_a_time import only_one
from mlops_assets.resources.lakehouse import LakehouseResource

MINIMUM_INTERVAL_SECONDS = 30


def alerts_sensor(
    settings: Settings, environ: Mapping[str, str], *, products: Sequence[str]
) -> dg.SensorDefinition:
    """Make the sensor `alerts`, switched on. It starts no runs.

    A tick of which a part could not be looked at delivers what the other parts found, and then fails.
    """

    @dg.sensor(
        name="alerts",
        minimum_interval_seconds=MINIMUM_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells people of rules that alarm, and of failed runs, checks, sensors and schedules.",
    )
    def alerts(context: dg.SensorEvaluationContext, lakehouse: LakehouseResource) -> dg.SkipReason:
        watch = Watch(settings, environ, tuple(products), lakehouse.tables, context.instance)
        with ExitStack() as held:
            try:
                held.enter_context(only_one(settings.home / LOCK, what="the delivery of alerts"))
            except PlatformError as error:
                return dg.SkipReason(str(error))
            looked = watch.look(clock=lambda: datetime.now(UTC))
        if looked.failed:
            told = ", ".join(f"{part} ({error})" for part, error in looked.failed.items())
            raise AlertError(f"could not be looked at: {told}; the log of this process has the whole error")
        return dg.SkipReason(described(looked))

    return alerts


def described(looked: Looked) -> str:
    """Say what a look found and did."""
    waits = f"; {looked.undelivered} wait for a sink" if looked.undelivered else ""
    return f"{looked.told} new messages, {looked.delivered} delivered{waits}"
