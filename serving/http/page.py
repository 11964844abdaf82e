"""The page at `/` and the OpenAPI document: what the service answers, with examples that it answers now as they stand.

The page is one text without scripts, and loads nothing. Where API keys are asked for, who brings none gets `key_page`.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from mlops_assets.core.errors import ServingError
from mlops_assets.core.serving.scoring import OnlineScoring
from mlops_assets.core.times import shown_time
from serving.events.types import EventTypes
from serving.http.api_keys import keys_given
from serving.http.app import Endpoint, HttpAnswer, HttpRequest
from serving.http.key_page import key_page
from serving.turns import at_once

_SECOND = 1_000_000
_HOST = re.compile(rb"[\w.\-]+(:\d{1,5})?|\[[0-9a-fA-F:.]+\](:\d{1,5})?").fullmatch
_LOOPBACK = "127.0.0.1:3000"
_HEADERS = (
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
_KEY_VARIABLE = "API_KEY"
"""Of the reader's shell: the examples take the key from there, so that a copy of them holds none."""
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24 }
h1, h2, h3 { line-height: 1.25 } code, pre { font: 14px/1.45 ui-monospace, monospace }
pre { background: #f3f4f6; padding: .75rem; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere }
table { border-collapse: collapse; width: 100% }
td, th { border-bottom: 1px solid #d8dce1; padding: .3rem .6rem .3rem 0; text-align: left; vertical-align: top }
"""


class Page:
    """Answers `/` and `/docs.json` for one product; belongs to one event loop."""

    def __init__(
        self,
        types: EventTypes,
        scoring: OnlineScoring,
        *,
        example: Mapping[str, object],
        document: Callable[[Mapping[str, object]], dict[str, Any]],
        asks_for_keys: bool = False,
    ) -> None:
        """`example` is an event as requests send it; `document` makes the OpenAPI document that shows one."""
        self._asks_for_keys = asks_for_keys
        self._types = types
        self._scoring = scoring
        self._example = example
        self._document = document

    def routes(self) -> Mapping[str, Endpoint]:
        """Return the endpoints by path."""
        return {
            "/": Endpoint("/", {"GET": self._page}),
            "/docs.json": Endpoint("/docs.json", {"GET": self._openapi}),
        }

    async def example(self, *, now: int) -> Mapping[str, object]:
        """Return an event that would get a score, `now` being microseconds since the epoch.

        It is the example as it was built in, where the states of its entities still answer it and no other event has
        its id, or else one of now under an id of its own.
        """
        own_id = {self._types.id_column: self._own_id(now)}
        times = {name: shown_time(now - now % _SECOND) for name in self._types.times if name in self._example}
        for candidate in (self._example, {**self._example, **own_id}, {**self._example, **times, **own_id}):
            try:
                (event,) = self._types.convert([dict(candidate)], received_at=now)
                await at_once(self._scoring.feature_steps(event, received_at=now))
            except ServingError:
                continue
            return candidate
        return self._example

    def _own_id(self, now: int) -> object:
        seconds = now // _SECOND
        return f"example-{seconds}" if isinstance(self._example[self._types.id_column], str) else seconds

    async def _openapi(self, request: HttpRequest) -> HttpAnswer:
        return HttpAnswer(self._document(await self.example(now=request.received_at)))

    async def _page(self, request: HttpRequest) -> HttpAnswer:
        if self._asks_for_keys and not keys_given(request.headers):
            return key_page()
        host = request.header(b"host") or b""
        shown = host.decode() if _HOST(host) else _LOOPBACK
        text = _html(self._document(await self.example(now=request.received_at)), host=shown)
        return HttpAnswer(text.encode(), headers=_HEADERS, media_type=b"text/html; charset=utf-8")


def _html(document: Mapping[str, Any], *, host: str) -> str:
    info = document["info"]
    title = escape(info["title"])
    event = document["components"]["schemas"]["Event"]
    fields = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{'yes' if name in event.get('required', ()) else ''}</td>"
        f"<td>{escape(_described(column))}</td></tr>"
        for name, column in event["properties"].items()
    )
    shown = "".join(
        _endpoint(method.upper(), path, one, host=host, asked=document.get("security", []))
        for path, methods in document["paths"].items()
        for method, one in methods.items()
    )
    head = f'<meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    about = (
        f"<h1>{title}</h1><p>{escape(info['description'])}</p><p>Served from <code>{escape(info['version'])}</code>. "
        'The same for programs: <a href="docs.json">docs.json</a> (OpenAPI). An example that asks for a score is '
        "captured like any other event.</p>"
    )
    if document.get("security"):
        about += (
            f"<p>The examples take an API key from the variable <code>{_KEY_VARIABLE}</code> of a shell.</p>"
        )
    names = "<tr><th>field</th><th>must be given</th><th>meaning</th></tr>"
    return (
        f'<!doctype html><html lang="en"><head>{head}</head><body>{about}'
        f"<h2>An event</h2><table>{names}{fields}</table><h2>Endpoints</h2>{shown}</body></html>"
    )


def _described(column: Mapping[str, Any]) -> str:
    return column.get("description") or next(
        (one["description"] for one in column.get("anyOf", ()) if one.get("description")), ""
    )


def _endpoint(method: str, path: str, one: Mapping[str, Any], *, host: str, asked: Sequence[object]) -> str:
    """One operation; `asked` is what the document asks for where the operation says nothing else."""
    key = f' -H "authorization: Bearer ${_KEY_VARIABLE}"' if one.get("security", asked) else ""
    content = one.get("requestBody", {}).get("content", {}).get("application/json", {})
    bodies = [shown["value"] for shown in content.get("examples", {}).values()]
    begin = f"curl -s 'http://{host}{path}'{key}"
    calls = [_call(begin, body) for body in bodies] or [begin]
    return f"<h3>{method} {escape(path)}</h3><p>{escape(one['summary'])}</p>" + "".join(
        f"<pre>{escape(call)}</pre>" for call in calls
    )


def _call(begin: str, body: object) -> str:
    text = json.dumps(body, ensure_ascii=False).replace("'", "'\\''")
    return f"{begin} -H 'content-type: application/json' -d '{text}'"
