"""Where requests are answered: in front of BentoML's middlewares, which see no path that the lane does not leave them.

BentoML adds a service's own middlewares behind its own. They all see the lifespan event, though, and in it the
Starlette application, whose `middleware_stack` is what an HTTP request enters first. That attribute is no documented
interface (docs/upstream/bentoml-front-middleware.md): where it is not as known, requests reach the lane by BentoML's
public way.
"""

import logging
from typing import Any

from serving.http.app import AsgiApp, HttpApp, Receive, Scope, Send

_log = logging.getLogger(__name__)


class FastLane:
    """ASGI middleware that lets `lane` answer its paths before anything else, or else where the middleware stands."""

    def __init__(self, app: AsgiApp, lane: HttpApp) -> None:
        """`app` is what Starlette hands to every middleware: what comes behind it."""
        self._inner = app
        self._lane = lane

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a path of the lane's; hand on anything else."""
        if scope["type"] == "lifespan":
            _put_in_front(scope.get("app"), self._lane)
        await _answer(self._lane, self._inner, scope, receive, send)


def _put_in_front(application: Any, lane: HttpApp) -> None:
    if not callable(getattr(application, "middleware_stack", None)):
        _log.warning(
            "BentoML's application is not as this version of mlops-assets knows it: requests pass through BentoML's "
            "middlewares first. Answers are the same, and take several times as long; and BentoML's metrics have a "
            "label for each path that anybody asks for."
        )
        return
    behind: AsgiApp = application.middleware_stack

    async def front(scope: Scope, receive: Receive, send: Send) -> None:
        await _answer(lane, behind, scope, receive, send)

    application.middleware_stack = front


async def _answer(lane: HttpApp, behind: AsgiApp, scope: Scope, receive: Receive, send: Send) -> None:
    kind = scope["type"]
    if kind == "http" and (endpoint := lane.endpoint(scope["path"]) or lane.closed(scope)) is not None:
        await lane.answer(endpoint, scope, receive, send)
    elif (
        kind == "websocket"
    ):  # nothing here speaks it, and BentoML would count it under the path that was asked for
        await receive()
        await send({"type": "websocket.close", "code": 1000})
    else:
        await behind(scope, receive, send)
