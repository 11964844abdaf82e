"""Tags of runs: those that automation sets, so that a run's page says why it ran, and Dagster's for a range of days."""

from datetime import date

from mlops_assets.core.declared.time_axis import TimeAxis

PRODUCT = "mlops/product"
TRIGGER = "mlops/trigger"
"""captured, drift, schedule or canary_judge."""
AS_OF = "mlops/as_of"
"""UTC day, ISO; the run may use what was known before its midnight."""
CAUSE = "mlops/cause"
"""JSON list of what alarmed: `drift:<column>`, `performance`."""
WINDOW_END = "mlops/window_end"
"""Last UTC day of the newest window that alarmed, ISO."""
CHAMPION_VERSION = "mlops/champion_version"
"""Registry version whose windows alarmed."""
PLAN_SEQUENCE = "mlops/plan_sequence"
"""The release plan that a judgement is about."""
JUDGEMENT = "mlops/judgement"
"""The canary judge's sentence."""
EVIDENCE = "mlops/evidence"
"""JSON list: per question of the canary judge its verdict, evidence and limit."""
HOST = "mlops/host"
"""Name of the machine whose process executes the run by itself, without Dagster's launcher."""
_RANGE_START, _RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
"""Dagster's own, which a backfill of a single run has; its documentation names them."""


def partition_range_tags(time: TimeAxis, first: date, last: date) -> dict[str, str]:
    """Return the tags of a run over the partitions that hold the days from `first` to `last`."""
    return day_range_tags(time.partition_key(first), time.partition_key(last))


def day_range_tags(first: date | str, last: date | str) -> dict[str, str]:
    """Return the tags of a run over the partitions from `first` to `last`, both included."""
    return {_RANGE_START: str(first), _RANGE_END: str(last)}
