"""The sections `schedules` and `retention` of a product's defs.yaml: what is done by the clock, and what is kept."""

from typing import Annotated

from pydantic import Field

from mlops_assets.core.declared_types import Cron, Section


class Schedules(Section):
    """Cron lines, UTC; the schedules are created switched off."""

    daily: Cron | None = "0 6 * * *"
    """Ingests, scores and monitors the day, week or month that is over; null for no such schedule."""
    retrain: Cron | None = "0 7 * * 1"
    """Retrains as of the tick's day; null for no such schedule."""


class Retention(Section):
    """How long `mlops gc` keeps what is no longer in use; what a registered version points to is always kept."""

    table_history_days: Annotated[int, Field(ge=7)] = 30
    """Table versions of so many days stay readable."""
    report_days: Annotated[int, Field(ge=1)] = 180
    """Age after which a page of a window is deleted, Evidently's included."""
    unregistered_run_days: Annotated[int, Field(ge=1)] = 30
    """Age after which an MLflow run without a registered version is deleted."""
    bentos: Annotated[int, Field(ge=1)] = 3
    """Newest bentos that are kept beside the released one."""
