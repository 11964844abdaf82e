"""Dashboards that are deployed: rendered from what is declared, and sound as Grafana reads them."""

import runpy

import pytest
import yaml

from mlops_assets_tests.support.monitoring.deployed import GRAFANA, dashboards, metrics_of, panels, queries

DASHBOARDS = dashboards()
SCHEMA_VERSION = 41
"""Of Grafana 11.6; later versions read it and bring it up to their own."""
every_dashboard = pytest.mark.parametrize("name", DASHBOARDS)


def test_the_committed_dashboards_are_what_the_script_renders() -> None:
    rendered = dict(runpy.run_path(str(GRAFANA / "render.py"))["dashboards"]())
    committed = {file: file.read_text(encoding="utf-8") for file in (GRAFANA / "dashboards").iterdir()}
    assert committed == rendered, "run: python deploy/grafana/render.py"


@every_dashboard
def test_a_dashboard_has_panels_that_do_not_overlap_and_say_what_they_show(name: str) -> None:
    dashboard = DASHBOARDS[name]
    assert dashboard["schemaVersion"] == SCHEMA_VERSION
    assert name == f"{dashboard['uid']}.json"
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    taken = [
        (x, y)
        for panel in dashboard["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 24
    for panel in panels(dashboard):
        assert panel["title"]
        assert panel["description"]
        letters = [one["refId"] for one in panel["targets"]]
        assert letters
        assert len(set(letters)) == len(letters)
        assert all(one["expr"] and one["legendFormat"] for one in panel["targets"])


@every_dashboard
def test_a_dashboard_asks_the_chosen_prometheus_for_the_chosen_products(name: str) -> None:
    dashboard = DASHBOARDS[name]
    choices = {one["name"]: one["type"] for one in dashboard["templating"]["list"]}
    assert choices == {"datasource": "datasource", "product": "query"}
    assert {panel["datasource"]["uid"] for panel in panels(dashboard)} == {"${datasource}"}


def test_every_query_of_a_dashboard_names_a_metric() -> None:
    unnamed = [where for where, query in queries() if not metrics_of(query)]
    assert unnamed == []


def test_the_provisioning_names_the_folders_that_its_page_names() -> None:
    page = (GRAFANA.parents[1] / "docs/how-to/wire-prometheus-and-grafana.md").read_text(encoding="utf-8")
    providers = yaml.safe_load((GRAFANA / "provisioning/dashboards/mlops.yml").read_text())["providers"]
    assert providers[0]["options"]["path"] in page
    sources = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    assert [one["type"] for one in sources] == ["prometheus"]
