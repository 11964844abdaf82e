"""The HTML reports behind a guard: `python -m mlops_assets.embedded.reports_server FOLDER PORT [HOST…]`."""

import logging
import sys
from http import HTTPStatus
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from mlops_assets.embedded.browser_guard import LOOPBACK_NAMES, BrowserGuard, loopback_hosts


def main(folder: str, port: str, *more_hosts: str) -> None:
    """Serve the reports on the loopback interface until interrupted."""
    import uvicorn

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    application = reports_app(Path(folder), hosts=loopback_hosts(int(port), more_hosts))
    uvicorn.run(application, host=LOOPBACK_NAMES[0], port=int(port), log_level="warning")


def reports_app(folder: Path, *, hosts: frozenset[str]) -> ASGIApp:
    """Return the application that serves the files of a folder, and nothing that a path or a link in it leads out to.

    A browser does not follow a link from a page of http:// to a file, which is why the reports have a server.
    """
    files = StaticFiles(directory=folder, html=True, follow_symlink=False)
    return BrowserGuard(Starlette(routes=[Route("/favicon.ico", _no_icon), Mount("/", files)]), hosts=hosts)


async def _no_icon(_request: Request) -> Response:
    """Browsers ask each server for an icon, and note an error in the console of the page where there is none."""
    return Response(status_code=HTTPStatus.NO_CONTENT)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(0)
