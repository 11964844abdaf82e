"""What is deployed for Prometheus and Grafana, as tests read it: rules, dashboards, and the metrics that they name."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from mlops_assets_tests.support.source_tree import ROOT

PROMETHEUS = ROOT / "deploy" / "prometheus"
GRAFANA = ROOT / "deploy" / "grafana"
OF_PROMETHEUS = {"up"}
"""Series that Prometheus makes by itself."""
_NAME = re.compile(r"\b(?:product:)?mlops_\w+(?::\w+)*|\bup\b(?=[{\s)]|$)")
_TEXT = re.compile(r'"[^"]*"')


def rules() -> Iterator[Mapping[str, Any]]:
    """Every rule, recording or alerting."""
    for file in sorted((PROMETHEUS / "rules").glob("*.yml")):
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]:
            yield from group["rules"]


def alerts() -> dict[str, Mapping[str, Any]]:
    """The alerting rules by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def recorded() -> set[str]:
    """The names that recording rules make."""
    return {rule["record"] for rule in rules() if "record" in rule}


def dashboards() -> dict[str, Mapping[str, Any]]:
    """The committed dashboards by their file's name."""
    files = sorted((GRAFANA / "dashboards").glob("*.json"))
    return {file.name: json.loads(file.read_text(encoding="utf-8")) for file in files}


def panels(dashboard: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A dashboard's panels without the rows."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries() -> Iterator[tuple[str, str]]:
    """Where a query stands, and the query: of every rule, panel and list of choices."""
    for rule in rules():
        yield rule.get("alert") or rule["record"], rule["expr"]
    for name, dashboard in dashboards().items():
        for panel in panels(dashboard):
            yield from ((f"{name}: {panel['title']}", one["expr"]) for one in panel["targets"])
        for choice in dashboard["templating"]["list"]:
            if choice["type"] == "query":
                yield f"{name}: choices of {choice['name']}", choice["query"]


def metrics_of(query: str) -> set[str]:
    """The metrics that a query names; texts in quotes are no names."""
    return set(_NAME.findall(_TEXT.sub('""', query)))
