"""The exporter: an HTTP server that Prometheus scrapes for the numbers of the platform."""

from contextlib import suppress

from prometheus_client import CONTENT_TYPE_LATEST
from rich.console import Console
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from mlops_assets.core.exporter.exposition import exposition
from mlops_assets.core.exporter.parts import Parts
from mlops_assets.core.runtime.ports import LOOPBACK, require_free
from mlops_assets.embedded.browser_guard import BrowserGuard, loopback_hosts

PATH = "/metrics"


def metrics_app(parts: Parts) -> Starlette:
    """Return the application that answers GET of PATH with the numbers, and anything else with 404."""

    def metrics(_request: Request) -> Response:  # not async: it runs in a thread, and may wait for the parts
        return Response(exposition(parts.metrics, parts.samples()), media_type=CONTENT_TYPE_LATEST)

    async def home(_request: Request) -> Response:
        return Response(f"{PATH} has the numbers of the platform\n", media_type="text/plain")

    return Starlette(routes=[Route(PATH, metrics), Route("/", home)])


def serve_metrics(
    parts: Parts, *, host: str, port: int, more_hosts: tuple[str, ...], console: Console
) -> None:
    """Serve the numbers until interrupted.

    parts: of the home. host: the address to listen on. port: on it. more_hosts: further names with ports under which
    the loopback interface may be addressed. console: where the address is shown.

    Raises: PlatformError when the port on loopback is taken.
    """
    import uvicorn

    application: ASGIApp = metrics_app(parts)
    if host in (LOOPBACK, "localhost"):
        require_free(port, option="--port")
        application = BrowserGuard(application, hosts=loopback_hosts(port, more_hosts))
    else:
        console.print(
            f"warning: whoever reaches {host}:{port} reads names of products, versions and sinks; close it by a "
            "firewall or a proxy that asks for a password",
            style="yellow",
            markup=False,
        )
    console.print(f"numbers of the platform on http://{host}:{port}{PATH}   Ctrl-C stops it", markup=False)
    parts.samples(patience_seconds=0)  # begins to look while the server starts
    with suppress(KeyboardInterrupt):
        uvicorn.run(application, host=host, port=port, log_level="warning")
