"""Dagster's home of the embedded setup: one folder below MLOPS_HOME, made when it is missing."""

import os
import warnings
from pathlib import Path

import dagster as dg

from mlops_assets.core.settings import Settings
from mlops_assets.embedded.batched_event_log import BATCH_SIZE

INSTANCE_YAML = """\
# Made when this folder was empty; yours to change. `mlops doctor` checks it.
telemetry:
  enabled: false
nux:
  enabled: false # no sign-up dialogue in the web UI
run_monitoring:
  enabled: true # a run whose process was killed is marked as failed
concurrency:
  runs:
    max_concurrent_runs: 2
event_log_storage: # SQLite in the usual place; the events of a range of partitions are stored together
  module: mlops_assets.embedded.batched_event_log
  class: BatchedEventLog
"""


def ensure_dagster_home(settings: Settings) -> Path:
    """Return the folder of DAGSTER_HOME, or `$MLOPS_HOME/dagster` when it is unset, with a dagster.yaml in it.

    Sets DAGSTER_HOME, MLOPS_HOME, the size of Dagster's batches of events and MLflow's quiet switches for this process
    and the ones it starts.
    """
    home = Path(os.environ.get("DAGSTER_HOME") or settings.home / "dagster")
    home.mkdir(parents=True, exist_ok=True)
    configuration = home / "dagster.yaml"
    if not configuration.exists():
        configuration.write_text(INSTANCE_YAML, encoding="utf-8")
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ["MLOPS_HOME"] = str(settings.home)
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", str(BATCH_SIZE))
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    return home


def dagster_instance(settings: Settings) -> dg.DagsterInstance:
    """Open the Dagster instance that the web UI shows too, in a process that then runs jobs or asks what they did."""
    ensure_dagster_home(settings)
    return dg.DagsterInstance.get()


def accept_beta_parts() -> None:
    """Leave out Dagster's warnings about its parts in beta: the lock holds the version of which some are used."""
    warnings.filterwarnings("ignore", category=dg.BetaWarning)
