"""Dagster's web UI behind a guard: `python -m mlops_assets.embedded.web_ui WORKSPACE_FILE SOCKET PORT [HOST…]`.

Dagster's own command has no place for a middleware (docs/upstream/dagster-web-ui-middleware.md). Where a name that this
module needs is another one, the UI does not start: an unguarded one is no stand-in.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import dagster as dg
from starlette.types import ASGIApp

from mlops_assets.core.errors import ConfigurationError, PlatformError
from mlops_assets.embedded.browser_guard import LOOPBACK_NAMES, BrowserGuard, loopback_hosts
from mlops_assets.embedded.code_server import wait_until_it_listens

REFRESH_MILLISECONDS = 2_000
"""How often an open page asks for news; Dagster's own default."""


def main(workspace_file: str, code_server: str, port: str, *more_hosts: str) -> None:
    """Serve the UI on the loopback interface until interrupted; it starts once the code server listens."""
    import uvicorn

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    with dg.DagsterInstance.get() as instance:
        import_module("dagster_webserver.app")  # takes seconds, while the code server loads the products
        wait_until_it_listens(Path(code_server))
        with dagster_ui(instance, workspace_file) as application:
            guarded = BrowserGuard(application, hosts=loopback_hosts(int(port), more_hosts))
            uvicorn.run(guarded, host=LOOPBACK_NAMES[0], port=int(port), log_level="warning")


@contextmanager
def dagster_ui(instance: dg.DagsterInstance, workspace_file: str) -> Iterator[ASGIApp]:
    """Give Dagster's own web application for the code locations of a workspace file.

    Raises: ConfigurationError when this version of Dagster composes it of other parts.
    """
    try:
        from dagster._core.workspace.context import WorkspaceProcessContext
        from dagster._core.workspace.load_target import WorkspaceFileTarget
        from dagster_webserver.app import create_app_from_workspace_process_context as compose

        context = WorkspaceProcessContext(instance, WorkspaceFileTarget([workspace_file]), dg.__version__)
    except (ImportError, TypeError) as error:
        raise ConfigurationError(
            f"Dagster {dg.__version__} composes its web UI in a way that this version of mlops-assets does not know "
            f"({error}), so that it cannot be guarded; install the version that deploy/requirements.lock names"
        ) from error
    with context:
        yield compose(context, live_data_poll_rate=REFRESH_MILLISECONDS)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except PlatformError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(0)
