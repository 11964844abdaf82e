"""Lets runs that this process executes appear on Dagster's landing page, which lists runs of a code location only.

docs/upstream/dagster-run-origin.md asks for a public way.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from dagster._core.remote_origin import RemoteJobOrigin

LOCATION, MODULE, REPOSITORY = "mlops_assets", "mlops_assets.definitions", "__repository__"
"""As workspace.yaml names them, and Dagster the one repository of a module of definitions."""


@contextmanager
def runs_of_the_code_location(instance: dg.DagsterInstance, job_name: str) -> Iterator[None]:
    """While the block runs, runs of the job that `instance` creates name this code location as their origin.

    `execute_in_process` has no parameter for it. Where Dagster's own names are others, the runs stay without: they are
    in the list of runs, but not on the landing page.
    """
    origin = _origin(job_name)
    create = getattr(instance, "create_run_for_job", None)
    if origin is None or create is None:
        yield
        return
    instance.create_run_for_job = partial(create, remote_job_origin=origin)
    try:
        yield
    finally:
        del instance.create_run_for_job


def _origin(job_name: str) -> "RemoteJobOrigin | None":
    try:
        from dagster._core.remote_origin import (
            ManagedGrpcPythonEnvCodeLocationOrigin,
            RemoteJobOrigin,
            RemoteRepositoryOrigin,
        )
        from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

        target = LoadableTargetOrigin(module_name=MODULE)
        location = ManagedGrpcPythonEnvCodeLocationOrigin(target, location_name=LOCATION)
        return RemoteJobOrigin(RemoteRepositoryOrigin(location, REPOSITORY), job_name)
    except (ImportError, TypeError):
        return None
