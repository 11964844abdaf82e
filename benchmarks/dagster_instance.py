"""The Dagster instance of a benchmark's own home."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import dagster as dg

from mlops_assets.core.settings import Settings
from mlops_assets.embedded.dagster_home import dagster_instance


@contextmanager
def instance_of(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """Open the instance below the home's own folder as commands do; afterwards the environment is as it was."""
    with patch.dict(os.environ, {"DAGSTER_HOME": ""}), dagster_instance(settings) as instance:
        yield instance
