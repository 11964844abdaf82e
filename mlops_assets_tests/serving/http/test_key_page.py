"""A service that asks for keys: an open page that tells nothing, a page for those who have one, and readiness."""

import base64
import hashlib
import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from mlops_assets.core.serving.api_keys import ApiKeys
from mlops_assets_tests.support.homes.asgi_service import JSON, AsgiService, asgi_service, ask
from serving.http.api_keys import LOOK_SECONDS, OPEN_PATHS, KeyDoor

NOW = datetime(2026, 1, 2, tzinfo=UTC)
CONTENT, KEY = ApiKeys().with_new("billing", secret=b"1" * 32, salt=b"1" * 16, now=NOW)
BEARER = (b"authorization", f"Bearer {KEY}".encode())


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "keys.json"


@pytest.fixture(scope="module")
def service(key_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AsgiService]:
    CONTENT.write(key_file)
    with asgi_service("mortality_risk", tmp_path_factory.mktemp("served"), api_keys=key_file) as opened:
        yield opened


def test_the_open_page_asks_for_a_key_and_tells_nothing_of_the_product(service: AsgiService) -> None:
    answer = ask(service, "/")
    text = answer.body.decode()
    assert answer.status == 200
    assert 'type="password"' in text
    spec, view = service.sampled.product.spec, service.sampled.product.view
    told = (service.sampled.product.name, spec.title, view.id_column, *view.input_columns, "v3", "/predict")
    assert not [one for one in told if one in text]
    assert not re.findall(r"(src|href|action)=|storage|cookie|location", text, re.IGNORECASE)


def test_of_scripts_only_the_pages_own_may_run(service: AsgiService) -> None:
    answer = ask(service, "/")
    (script,) = re.findall(r"<script>(.*?)</script>", answer.body.decode(), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest())
    policy = answer.headers[b"content-security-policy"]
    assert b"default-src 'none'" in policy
    assert b"script-src 'sha256-" + digest + b"';" in policy


def test_with_a_key_the_page_is_the_products_and_with_a_wrong_one_nothing(service: AsgiService) -> None:
    assert ask(service, "/", headers=[(b"authorization", b"Bearer mlops_wrong")]).status == 401
    text = html.unescape(ask(service, "/", headers=[BEARER]).body.decode())
    assert service.sampled.product.spec.title in text
    for call in re.findall(r"curl [^<]*", text):
        path = "/" + call.split("'")[1].split("/", 3)[3]
        assert ('-H "authorization: Bearer $API_KEY"' in call) == (path not in OPEN_PATHS), call
    assert KEY not in text


def test_the_openapi_document_says_which_routes_need_a_key(service: AsgiService) -> None:
    assert ask(service, "/docs.json").status == 401
    document = msgspec.json.decode(ask(service, "/docs.json", headers=[BEARER]).body)
    assert document["components"]["securitySchemes"]["ApiKey"] | {"description": ""} == {
        "type": "http",
        "scheme": "bearer",
        "description": "",
    }
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            body = b"{}" if method == "post" else None
            status = 401 if path == "/metrics" else ask(service, path, body, headers=JSON).status
            is_closed = operation.get("security", document["security"]) == [{"ApiKey": []}]
            assert (status == 401) == is_closed == ("401" in operation["responses"]), path


def test_it_is_not_ready_while_the_keys_cannot_be_read(service: AsgiService, key_file: Path) -> None:
    door = service.app.door
    assert isinstance(door, KeyDoor)
    now = 0.0
    door._clock = lambda: now
    told = []
    for change in (
        lambda: None,
        key_file.unlink,
        lambda: key_file.write_text("{"),
        lambda: CONTENT.write(key_file),
    ):
        change()
        now += 2 * LOOK_SECONDS + 10**9
        told.append(ask(service, "/readyz").status)
    assert told == [200, 503, 503, 200]
    assert ask(service, "/livez").status == 200
