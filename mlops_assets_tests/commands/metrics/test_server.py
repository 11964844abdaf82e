"""The exporter over HTTP: who may read it, and what it answers."""

import socket
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from mlops_assets.commands.metrics.server import metrics_app, serve_metrics
from mlops_assets.core.errors import PlatformError
from mlops_assets.core.exporter.metric import Metric
from mlops_assets.core.exporter.parts import Part, Parts
from mlops_assets.embedded.browser_guard import BrowserGuard, loopback_hosts
from mlops_assets_tests.support.processes.asgi_server import ask, serving

SIZE = Metric(name="mlops_size", meaning="How much.")


def small_parts() -> Parts:
    return Parts([Part("a", (SIZE,), lambda product: [SIZE.of(3, product)], ("shop",))])


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        number = sock.getsockname()[1]
        with serving(BrowserGuard(metrics_app(small_parts()), hosts=loopback_hosts(number)), sock):
            yield number


def test_prometheus_gets_what_it_asks_for(port: int) -> None:
    answer = ask(port, "GET", "/metrics", {"Accept": "application/openmetrics-text;version=1.0.0"})
    assert answer.headers["content-type"].startswith("text/plain; version=")
    names = [family.name for family in text_string_to_metric_families(answer.text)]
    assert names == ["mlops_size", "mlops_exporter_part_success", "mlops_exporter_part_duration_seconds"]
    assert 'mlops_size{product="shop"} 3.0' in answer.text


def test_what_it_is_stands_on_its_first_page_and_nothing_else_is_there(port: int) -> None:
    assert "/metrics" in ask(port, "GET", "/", {}).text
    assert ask(port, "GET", "/other", {}).status_code == 404
    assert ask(port, "POST", "/metrics", {"Content-Type": "application/json"}).status_code == 405


def test_a_page_of_another_origin_reads_nothing(port: int) -> None:
    assert ask(port, "GET", "/metrics", {"Host": "evil.example"}).status_code == 403
    assert ask(port, "GET", "/metrics", {"Origin": "http://evil.example"}).status_code == 403


def test_a_taken_port_is_said_with_the_option_that_chooses_another() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock, pytest.raises(PlatformError, match="--port"):
        serve_metrics(
            small_parts(),
            host="127.0.0.1",
            port=sock.getsockname()[1],
            more_hosts=(),
            console=Console(stderr=True),
        )
