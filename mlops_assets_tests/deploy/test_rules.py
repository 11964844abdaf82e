"""Rules that are deployed: each alert tells what to do, and is tested."""

import re

import pytest
import yaml

from mlops_assets_tests.support.documents.markdown_pages import ROOT, Page
from mlops_assets_tests.support.monitoring.deployed import PROMETHEUS, alerts, metrics_of, rules

ALERTS = alerts()
every_alert = pytest.mark.parametrize("name", ALERTS)


@every_alert
def test_an_alert_says_how_bad_it_is_and_what_to_do(name: str) -> None:
    alert = ALERTS[name]
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
    path, _, anchor = alert["annotations"]["runbook_url"].partition("#")
    assert anchor in Page(ROOT / path).anchors
    assert name.lower() == anchor


@every_alert
def test_an_alert_is_seen_to_fire_by_a_test_of_promtool(name: str) -> None:
    tested = [
        sample["labels"]
        for file in (PROMETHEUS / "tests").glob("*.yml")
        for test in yaml.safe_load(file.read_text(encoding="utf-8"))["tests"]
        for check in test["promql_expr_test"]
        for sample in check["exp_samples"]
    ]
    assert any(f'alertname="{name}", alertstate="firing"' in labels for labels in tested)


def test_rules_have_names_of_their_own() -> None:
    names = [rule.get("alert") or rule["record"] for rule in rules()]
    assert len(set(names)) == len(names)
    assert len(ALERTS) >= 20


def test_inhibitions_and_routes_name_alerts_and_receivers_that_exist() -> None:
    content = yaml.safe_load((PROMETHEUS / "alertmanager.yml").read_text(encoding="utf-8"))
    named = set(re.findall(r"\bMlops\w+", (PROMETHEUS / "alertmanager.yml").read_text(encoding="utf-8")))
    assert named
    assert named <= set(ALERTS)
    receivers = {one["name"] for one in content["receivers"]}
    routes = [content["route"], *content["route"]["routes"]]
    assert {route["receiver"] for route in routes} == receivers


def test_no_secret_stands_in_a_configuration() -> None:
    words = ("password:", "api_url:", "credentials:", "bearer_token:", "password =", "token:")
    files = [file for file in PROMETHEUS.rglob("*.yml") if file.parent.name != "tests"]
    assert len(files) >= 8
    assert {str(file): word for file in files for word in words if word in file.read_text("utf-8")} == {}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ('sum by (product) (mlops_a_total{job="mlops_b"}) > 0', {"mlops_a_total"}),
        ("product:mlops_a:rate5m / mlops_b_bucket", {"product:mlops_a:rate5m", "mlops_b_bucket"}),
        ('up{job="x"} == 0 or absent(up)', {"up"}),
        ("group_up + 1", set()),
    ],
)
def test_the_metrics_of_a_query_are_found(query: str, names: set[str]) -> None:
    assert metrics_of(query) == names
