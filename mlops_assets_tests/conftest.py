"""What holds for every test: quiet libraries, sleeping threads, and property tests that are not judged by time."""

import os

from hypothesis import settings

from mlops_assets.core.threads import let_waiting_threads_sleep

# Read once, when the native libraries are loaded: before any test module imports them.
let_waiting_threads_sleep()
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
os.environ.setdefault("DO_NOT_TRACK", "1")

# A shared machine decides how long an example takes.
settings.register_profile("shared_machine", deadline=None)
settings.load_profile("shared_machine")
