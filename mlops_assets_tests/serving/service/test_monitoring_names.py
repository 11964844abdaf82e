"""Rules, panels and pages name metrics that a served product and the exporter really export."""

import re
from datetime import UTC, datetime
from pathlib import Path

from mlops_assets.commands.metrics.home_parts import home_parts
from mlops_assets.core.exporter.exposition import exposition
from mlops_assets.core.settings import load_settings
from mlops_assets_tests.support.documents.markdown_pages import ROOT
from mlops_assets_tests.support.homes.served_product import Served
from mlops_assets_tests.support.monitoring.deployed import OF_PROMETHEUS, metrics_of, queries, recorded

_ROW = re.compile(r"^\| `(mlops_\w+)` \|", re.MULTILINE)


def of_service(service: Served) -> set[str]:
    """Names of the samples that a service shows once it has answered."""
    service.predict(service.event())
    lines = service.client.get("/metrics").text.splitlines()
    return {re.split(r"[{ ]", line)[0] for line in lines if line.startswith("mlops_")}


def of_exporter(home: Path) -> set[str]:
    """Names that the exporter of a fresh home declares."""
    settings = load_settings({"MLOPS_HOME": str(home)}, working_directory=home)
    parts = home_parts(settings, clock=lambda: datetime.now(UTC))
    text = exposition(parts.metrics, parts.samples(patience_seconds=60)).decode()
    return {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}


def test_every_query_names_metrics_that_are_exported(fraud: Served, tmp_path: Path) -> None:
    known = of_service(fraud) | of_exporter(tmp_path) | recorded() | OF_PROMETHEUS
    assert {where: names for where, query in queries() if (names := metrics_of(query) - known)} == {}


def test_the_page_of_metrics_has_all_and_no_others(fraud: Served, tmp_path: Path) -> None:
    page = (ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")
    service, platform = page.split("## Of the platform")
    named = set(_ROW.findall(service))
    parts_of_histogram = {f"mlops_request_seconds_{part}" for part in ("bucket", "count", "sum")}
    created = {name for name in of_service(fraud) if name.endswith("_created")}
    assert of_service(fraud) - parts_of_histogram - created == named - {"mlops_request_seconds"}
    assert set(_ROW.findall(platform)) == of_exporter(tmp_path)
