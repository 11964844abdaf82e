"""The page: named after its product, without anything from outside, and every example on it is answered as printed."""

import html
import json
import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from mlops_assets.core.features.online.entity_state import empty_state
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.online_store.protocol import StateChange
from mlops_assets.core.times import as_microseconds
from mlops_assets_tests.support.homes.asgi_service import Answered, AsgiService, asgi_service, ask


@pytest.fixture(scope="module", params=["fraud_detection", "mortality_risk"])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AsgiService]:
    with asgi_service(request.param, tmp_path_factory.mktemp(request.param)) as opened:
        yield opened


class Links(HTMLParser):
    """Collects what a browser would load or follow."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.targets: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.targets += [value or "" for name, value in attrs if name in ("src", "href", "action", "data")]


def page(service: AsgiService, host: bytes = b"models.example:8443") -> str:
    answer = ask(service, "/", headers=[(b"host", host)])
    assert answer.status == 200
    assert answer.headers[b"content-type"] == b"text/html; charset=utf-8"
    assert b"default-src 'none'" in answer.headers[b"content-security-policy"]
    return answer.body.decode()


def run(service: AsgiService, command: str) -> Answered:
    """Do what a printed command does."""
    words = shlex.split(command)
    path = "/" + words[words.index("-s") + 1].split("/", 3)[3]
    if "-d" not in words or path == "/metrics":
        return ask(service, path) if path != "/metrics" else Answered(200)
    name, value = words[words.index("-H") + 1].split(": ")
    return ask(
        service, path, words[words.index("-d") + 1].encode(), headers=[(name.encode(), value.encode())]
    )


def examples(service: AsgiService) -> dict[str, int]:
    found = [html.unescape(one) for one in re.findall(r"<pre>(.*?)</pre>", page(service))]
    return {command: run(service, command).status for command in found}


def test_the_page_is_the_products_and_loads_nothing(service: AsgiService) -> None:
    text = page(service)
    title = html.escape(service.worker.product.declaration.title)
    assert f"<title>{title}</title>" in text
    assert f"<h1>{title}</h1>" in text
    assert Links(text).targets == ["docs.json"]
    assert not Links(text).tags & {"script", "img", "link", "iframe", "object", "form"}
    assert "http://models.example:8443/predict" in text
    assert "evil" not in page(service, b'"><script src=//evil>')


def test_every_example_is_answered_as_printed_and_again(service: AsgiService) -> None:
    answers = examples(service)
    assert len(answers) >= 12
    assert set(answers.values()) == {200}, answers
    assert set(examples(service).values()) == {200}


@pytest.mark.parametrize("service", ["fraud_detection"], indirect=True)
def test_examples_are_answered_after_their_entities_states_moved_on_and_another_took_their_id(
    service: AsgiService,
) -> None:
    types = service.worker.types
    command = next(one for one in examples(service) if "/predict" in one)
    event = json.loads(shlex.split(command)[-1])
    event = event[0] if isinstance(event, list) else event
    assert (
        ask(service, "/predict", json.dumps({**event, types.id_column: 3, "amount_usd": 9.5}).encode()).status
        == 200
    )
    store = open_online_store(service.store_location, service.sampled.product.name)
    key = service.worker.scoring.arms.features.empty_key
    horizon = as_microseconds(datetime.now(UTC) - timedelta(days=10))
    assert store.commit([StateChange(key, store.read([key])[0].version, empty_state(horizon))], [])
    store.close()
    assert set(examples(service).values()) == {200}
