"""The lane answers in front of an application's middlewares, or behind them where it cannot get there."""

from collections.abc import Callable

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from serving.http.app import AsgiApp, Endpoint, HttpAnswer, HttpApp, HttpRequest, Receive, Scope, Send
from serving.http.fast_lane import FastLane


class Recorder:
    """Stands for BentoML's own middlewares: remembers the paths that pass through it."""

    def __init__(self, app: AsgiApp, seen: list[str]) -> None:
        self._app, self._seen = app, seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self._seen.append(scope["path"])
        await self._app(scope, receive, send)


class Breaker:
    """Changes the lifespan event on its way to the lane."""

    def __init__(self, app: AsgiApp, change: Callable[[Scope], Scope]) -> None:
        self._app, self._change = app, change

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(self._change(scope) if scope["type"] == "lifespan" else scope, receive, send)


async def predicted(_: HttpRequest) -> HttpAnswer:
    return HttpAnswer({"score": 0.5})


async def theirs(_: object) -> PlainTextResponse:
    return PlainTextResponse("theirs")


def application(seen: list[str], change: Callable[[Scope], Scope] = lambda scope: scope) -> Starlette:
    lane = HttpApp(leaves=("/metrics",))
    lane.serve(
        {"/predict": Endpoint("/predict", {"POST": predicted})},
        find=lambda _: None,
        observe=lambda *_: None,
    )
    middlewares = [
        Middleware(Recorder, seen=seen),
        Middleware(Breaker, change=change),
        Middleware(FastLane, lane=lane),
    ]
    return Starlette(routes=[Route("/metrics", theirs)], middleware=middlewares)


def test_its_paths_are_answered_before_other_middlewares_and_all_others_are_left_to_them() -> None:
    seen: list[str] = []
    with TestClient(application(seen)) as client:
        assert client.post("/predict").json() == {"score": 0.5}
        assert client.get("/metrics").text == "theirs"
    assert seen == ["/metrics"]


def test_a_path_that_nobody_knows_and_a_websocket_end_in_the_lane() -> None:
    seen: list[str] = []
    with TestClient(application(seen)) as client:
        assert client.get("/one/of/5000").json()["message"].startswith("there is no such path")
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/ws"):
            pass
    assert seen == []


def without_application(scope: Scope) -> Scope:
    return {key: value for key, value in scope.items() if key != "app"}


def with_another_stack(scope: Scope) -> Scope:
    return {**scope, "app": type("Application", (), {"middleware_stack": ["a list"]})()}


@pytest.mark.parametrize("change", [without_application, with_another_stack])
def test_where_the_application_is_not_as_known_the_same_answers_come_from_behind_and_one_line_says_so(
    change: Callable[[Scope], Scope], caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []
    with TestClient(application(seen, change)) as client:
        answers = [client.post("/predict").json() for _ in range(2)]
        assert client.get("/metrics").text == "theirs"
    assert answers == [{"score": 0.5}] * 2
    assert seen == ["/predict", "/predict", "/metrics"]
    said = [record.message for record in caplog.records if record.name == "serving.http.fast_lane"]
    assert len(said) == 1
    assert "Answers are the same" in said[0]
