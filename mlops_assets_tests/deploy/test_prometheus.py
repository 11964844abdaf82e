"""A real Prometheus scrapes a real service and the exporter, and a real Alertmanager takes what it finds."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import psutil
import pytest

from mlops_assets.core.alerts.lifecycle import Key
from mlops_assets.core.alerts.outbox import FILE, Outbox
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import CommitInfo
from mlops_assets.core.monitoring.finding import findings_frame
from mlops_assets_tests.support.alerts.messages import finding, firing
from mlops_assets_tests.support.homes.served_product import Served, serve
from mlops_assets_tests.support.monitoring.deployed import PROMETHEUS, metrics_of, queries, recorded
from mlops_assets_tests.support.processes.mlops_dev import descendants, free_ports
from mlops_assets_tests.support.programs import ALERTMANAGER
from mlops_assets_tests.support.programs import PROMETHEUS as PROGRAM

pytestmark = pytest.mark.servers

PRODUCT = "fraud_detection"
PATIENCE_SECONDS = 90
STOP_SECONDS = 30


@dataclass(frozen=True)
class Monitor:
    """`mlops metrics prometheus` in a process of its own."""

    process: subprocess.Popen[bytes]
    log: Path
    prometheus: str
    alertmanager: str
    exporter: str

    def ask(self, address: str, path: str, **parameters: str) -> Any:
        """Return the JSON of an answer; None while there is none."""
        try:
            answer = httpx.get(f"{address}{path}", params=parameters, timeout=5)
        except httpx.TransportError:
            return None
        return answer.json() if answer.status_code == httpx.codes.OK else None

    def value(self, query: str) -> dict[str, float]:
        """Return the values that a query has now, by the product."""
        answer = self.ask(self.prometheus, "/api/v1/query", query=query)
        found = answer["data"]["result"] if answer else []
        return {one["metric"].get("product", ""): float(one["value"][1]) for one in found}

    def wait(self, what: str, found: Callable[[], Any]) -> Any:
        """Wait until something is found, and return it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            if answer := found():
                return answer
            time.sleep(0.2)
        raise AssertionError(f"{what}; the log ends with {self.log.read_text('utf-8')[-3000:]}")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose newest window has lost quality and drifted, with an alert that its sink has not taken."""
    home = tmp_path_factory.mktemp("home")
    found = [
        finding(value=0.4, limit=0.2),
        finding(topic="performance", subject="average_precision", value=0.1, limit=0.3),
    ]
    rows = findings_frame(found).with_columns(event_date=pl.lit(date(2018, 5, 8)))
    DeltaTables(str(home / "tables")).append(PRODUCT, "verdicts", rows, commit=CommitInfo(run_id="test"))
    Outbox(home / FILE).record(
        [firing(Key(PRODUCT, "drift", "amount_usd"))],
        now=datetime.now(UTC) - timedelta(hours=2),
        new_id=lambda: "one",
        route=lambda _: ("pager",),
    )
    return home


@pytest.fixture(scope="module")
def service(home: Path, bentos: Path) -> Iterator[Served]:
    yield from serve(PRODUCT, bentoml_home=bentos, home=home, store_location=str(home / "online"))


@pytest.fixture(scope="module")
def monitor(home: Path, service: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitor]:
    """The command on free ports, with the deployed configuration in which only the pauses are shorter."""
    folder = tmp_path_factory.mktemp("monitor")
    with started(folder, home, service=service.url.removeprefix("http://")) as monitor:
        yield monitor


@contextmanager
def started(folder: Path, home: Path, *, service: str) -> Iterator[Monitor]:
    """Run the command while the block runs; then nothing of it is left."""
    assert PROGRAM.path()
    assert ALERTMANAGER.path()
    with_short_pauses(folder / "configuration")
    ports = free_ports(3)
    options = zip(("--port", "--alertmanager-port", "--exporter-port"), map(str, ports), strict=True)
    log = folder / "log"
    with log.open("wb") as opened:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "mlops_assets.cli", "metrics", "prometheus"),
                *(word for option in options for word in option),
                *("--service", service),
                *("--configuration", str(folder / "configuration")),
            ],
            env={**os.environ, "MLOPS_HOME": str(home), "DAGSTER_HOME": ""},
            stdout=opened,
            stderr=subprocess.STDOUT,
        )
        try:
            yield Monitor(process, log, *(f"http://127.0.0.1:{port}" for port in ports))
        finally:
            for left in [*descendants(process.pid), process]:
                left.kill()
            process.wait()


def with_short_pauses(folder: Path) -> None:
    """Copy the deployed configuration; what it scrapes, judges and routes stays as it is."""
    shutil.copytree(PROMETHEUS, folder)
    for name, pauses in {
        "prometheus.yml": {"15s": "1s", "10s": "1s"},
        "alertmanager.yml": {"group_wait: 30s": "group_wait: 0s", "group_wait: 10s": "group_wait: 0s"},
    }.items():
        text = (folder / name).read_text("utf-8")
        for long, short in pauses.items():
            assert long in text
            text = text.replace(long, short)
        (folder / name).write_text(text, encoding="utf-8")


def test_both_targets_are_up_and_a_recording_rule_has_a_value(monitor: Monitor, service: Served) -> None:
    def targets() -> set[tuple[str, str]]:
        answer = monitor.ask(monitor.prometheus, "/api/v1/targets")
        active = answer["data"]["activeTargets"] if answer else []
        return {(one["labels"]["job"], one["health"]) for one in active}

    up = {("mlops-service", "up"), ("mlops-platform", "up")}
    monitor.wait(f"not up: {targets()}", lambda: targets() == up)

    def rate() -> float:
        service.predict(service.event())
        return monitor.value("product:mlops_requests:rate5m").get(PRODUCT, 0.0)

    assert monitor.wait("no rate", rate) > 0
    assert monitor.value("product:mlops_requests_failed:ratio_increase10m") == {PRODUCT: 0.0}
    monitor.wait("no backlog", lambda: monitor.value("mlops_captured_predictions_waiting > 0"))


def test_what_the_platform_found_becomes_alerts_and_the_cause_silences_its_consequence(
    monitor: Monitor,
) -> None:
    def taken() -> dict[str, Any]:
        answer = monitor.ask(monitor.alertmanager, "/api/v2/alerts") or []
        return {one["labels"]["alertname"]: one for one in answer}

    expected = {"MlopsQualityAlarm", "MlopsDriftAlarm", "MlopsAlertsUndelivered"}
    alerts = monitor.wait("not all alerts", lambda: found if expected <= (found := taken()).keys() else None)
    quality = alerts["MlopsQualityAlarm"]
    assert quality["labels"]["product"] == PRODUCT
    assert quality["labels"]["severity"] == "critical"
    assert [one["name"] for one in quality["receivers"]] == ["pager"]
    assert [one["name"] for one in alerts["MlopsAlertsUndelivered"]["receivers"]] == ["team"]
    assert "2h" in alerts["MlopsAlertsUndelivered"]["annotations"]["description"]

    def inhibited() -> bool:
        return taken()["MlopsDriftAlarm"]["status"]["inhibitedBy"] == [quality["fingerprint"]]

    monitor.wait("drift tells beside quality", inhibited)
    assert taken()["MlopsQualityAlarm"]["status"]["state"] == "active"


def test_every_metric_that_a_rule_or_a_panel_names_was_scraped_or_is_declared(monitor: Monitor) -> None:
    scraped = monitor.ask(monitor.prometheus, "/api/v1/label/__name__/values")
    known = set(scraped["data"]) | recorded()
    declared = {
        line.split()[2]
        for line in httpx.get(f"{monitor.exporter}/metrics").text.splitlines()
        if line.startswith("# TYPE")
    }
    assert len(declared) > 30
    unknown = {where: names for where, query in queries() if (names := metrics_of(query) - known - declared)}
    assert unknown == {}


def test_no_rule_fails_to_evaluate(monitor: Monitor) -> None:
    groups = monitor.ask(monitor.prometheus, "/api/v1/rules")["data"]["groups"]
    assert len(groups) >= 8
    unwell = {
        rule["name"]: rule.get("lastError")
        for group in groups
        for rule in group["rules"]
        if rule["health"] == "err"
    }
    assert unwell == {}


def test_ctrl_c_leaves_no_process_behind_and_what_was_stored_lies_in_the_home(
    monitor: Monitor, home: Path
) -> None:
    started = descendants(monitor.process.pid)
    names = {process.name() for process in started}
    assert {"prometheus"} < names
    monitor.process.send_signal(signal.SIGINT)
    assert monitor.process.wait(STOP_SECONDS) == 0
    _, alive = psutil.wait_procs(started, timeout=STOP_SECONDS)
    assert alive == []
    assert (home / "prometheus" / "data").is_dir()
    assert "receiver pager: no slack without" in monitor.log.read_text("utf-8")


def test_what_it_started_ends_with_it_when_it_is_killed(tmp_path: Path) -> None:
    (tmp_path / "monitor").mkdir()
    with started(tmp_path / "monitor", tmp_path / "home", service="127.0.0.1:1") as monitor:
        monitor.wait("Prometheus is not ready", lambda: monitor.ask(monitor.prometheus, "/api/v1/targets"))
        children = descendants(monitor.process.pid)
        assert {"prometheus"} < {process.name() for process in children}
        monitor.process.kill()
        monitor.process.wait()
        _, alive = psutil.wait_procs(children, timeout=STOP_SECONDS)
        assert [one for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []
