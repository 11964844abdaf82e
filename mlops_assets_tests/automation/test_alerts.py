"""Alerts on a real instance, posted to a real HTTP server."""

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import dagster as dg
import pytest

from mlops_assets.automation.alerts import (
    Alert,
    check_failure_alert,
    failed_checks,
    post_alert,
    run_failure_alert,
)

ALERT = Alert(
    "run_failure",
    "fraud_detection",
    "fraud_detection__retrain",
    "abc",
    "model (MemoryError)",
    "http://ui/runs/abc",
)
RUN_ID = "00000000-0000-0000-0000-000000000001"


class _Server(HTTPServer):
    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[dict] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook?token=hush"


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        self.server.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def server() -> Iterator[_Server]:
    server = _Server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


@dg.asset
def broken() -> None:
    raise MemoryError("row 17: card 4111 1111 1111 1111")


def _check(name: str, *, passed: bool, severity: dg.AssetCheckSeverity) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(check_name=name, passed=passed, severity=severity)


@dg.asset(
    key=["fraud_detection", "events"],
    check_specs=[
        dg.AssetCheckSpec(name, asset=["fraud_detection", "events"])
        for name in ("contract", "volume", "freshness")
    ],
)
def events() -> dg.MaterializeResult:
    return dg.MaterializeResult(
        check_results=[
            _check("contract", passed=False, severity=dg.AssetCheckSeverity.ERROR),
            _check("volume", passed=False, severity=dg.AssetCheckSeverity.WARN),
            _check("freshness", passed=True, severity=dg.AssetCheckSeverity.ERROR),
        ]
    )


def _last_event(result: dg.ExecuteInProcessResult, kind: dg.DagsterEventType) -> dg.DagsterEvent:
    return [event for event in result.all_events if event.event_type is kind][-1]


def test_an_alert_is_posted_as_json_and_logged(server: _Server, caplog: pytest.LogCaptureFixture):
    assert post_alert(ALERT, webhook=server.address)
    assert server.received == [
        {
            "kind": "run_failure",
            "product": "fraud_detection",
            "job": "fraud_detection__retrain",
            "run_id": "abc",
            "subject": "model (MemoryError)",
            "link": "http://ui/runs/abc",
        }
    ]
    assert "model (MemoryError)" in caplog.text


def test_without_a_webhook_the_alert_is_only_logged(caplog: pytest.LogCaptureFixture):
    assert not post_alert(ALERT, webhook=None)
    assert "run_failure: model (MemoryError)" in caplog.text


@pytest.mark.parametrize("is_listening", [True, False])
def test_a_webhook_that_fails_is_tried_twice_and_never_raises_nor_shows_its_token(
    server: _Server, caplog: pytest.LogCaptureFixture, is_listening: bool
):
    caplog.set_level(logging.DEBUG, logger="mlops_assets")
    server.status = 500
    address = server.address if is_listening else "http://127.0.0.1:1/hook?token=hush"
    assert not post_alert(ALERT, webhook=address)
    assert len(server.received) == (2 if is_listening else 0)
    assert ("HTTP 500" if is_listening else "ConnectError") in caplog.text
    assert "hush" not in caplog.text


def test_a_failed_run_is_told_by_step_and_error_class_without_its_message(
    server: _Server, instance: dg.DagsterInstance
):
    result = dg.materialize(
        [broken], instance=instance, raise_on_error=False, tags={"mlops/product": "fraud_detection"}
    )
    sensor = run_failure_alert(webhook=server.address, dagster_ui_url="http://ui")
    event = _last_event(result, dg.DagsterEventType.RUN_FAILURE)
    context = dg.build_run_status_sensor_context(
        sensor_name=sensor.name,
        dagster_event=event,
        dagster_instance=instance,
        dagster_run=result.dagster_run,
    ).for_run_failure()
    sensor(context)
    (posted,) = server.received
    assert posted["subject"] == "broken (MemoryError)"
    assert posted["product"] == "fraud_detection"
    assert posted["link"] == f"http://ui/runs/{result.run_id}"
    assert "4111" not in json.dumps(posted)


def test_a_failed_error_check_of_a_green_run_is_told(server: _Server, instance: dg.DagsterInstance):
    result = dg.materialize([events], instance=instance)
    assert result.success
    sensor = check_failure_alert(webhook=server.address, dagster_ui_url="http://ui")
    context = dg.build_run_status_sensor_context(
        sensor_name=sensor.name,
        dagster_event=_last_event(result, dg.DagsterEventType.RUN_SUCCESS),
        dagster_instance=instance,
        dagster_run=result.dagster_run,
    )
    sensor(context)
    assert [(posted["kind"], posted["subject"]) for posted in server.received] == [
        ("check_failure", "fraud_detection/events: contract")
    ]


def test_a_run_whose_checks_pass_has_nothing_to_tell(instance: dg.DagsterInstance):
    assert failed_checks(instance, RUN_ID) == ()


def test_the_sensors_are_off_until_someone_switches_them_on():
    for make in (run_failure_alert, check_failure_alert):
        sensor = make(webhook=None, dagster_ui_url="http://ui")
        assert sensor.default_status is dg.DefaultSensorStatus.STOPPED
