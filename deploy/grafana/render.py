"""Writes the dashboards that dashboards.yaml declares, as Grafana's JSON: `python deploy/grafana/render.py`.

The form of the JSON is Grafana's own, of its Foundation SDK.
"""

import json
import string
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import yaml
from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import GraphThresholdsStyleMode
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    VariableRefresh,
)

DECLARED = Path(__file__).with_name("dashboards.yaml")
FOLDER = Path(__file__).with_name("dashboards")
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
TAG = "mlops-assets"
WIDTH, HEIGHT, NUMBER_HEIGHT = 8, 8, 4
"""Of a panel in Grafana's grid of 24 columns: three in a row."""
Declared = Mapping[str, Any]  # what YAML holds


def dashboards() -> Iterator[tuple[Path, str]]:
    """Yield the file of each dashboard, and its JSON."""
    for page in yaml.safe_load(DECLARED.read_text(encoding="utf-8"))["dashboards"]:
        built = json.dumps(_dashboard(page).build(), cls=JSONEncoder, indent=2, sort_keys=True)
        yield FOLDER / f"{page['uid']}.json", built + "\n"


def _dashboard(page: Declared) -> dashboard.Dashboard:
    links = dashboard.DashboardLink("MLOps").type(DashboardLinkType.DASHBOARDS).tags([TAG])
    built = (
        dashboard.Dashboard(page["title"])
        .uid(page["uid"])
        .description(page["meaning"])
        .tags([TAG])
        .refresh("30s")
        .time("now-6h", "now")
        .timezone("browser")
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(_products(page["products_of"]))
        .link(links.keep_time(True).include_vars(True))
    )
    numbers = count(1)
    for row in page["rows"]:
        built.with_row(dashboard.Row(row["title"]).id(next(numbers)))
        for panel in row["panels"]:
            built.with_panel(_panel(panel).id(next(numbers)))
    return built


def _products(metric: str) -> dashboard.QueryVariable:
    choices = dashboard.QueryVariable("product").label("Product").datasource(SOURCE)
    choices.query(f"label_values({metric}, product)").refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
    return choices.multi(True).include_all(True).all_value(".*")


def _panel(panel: Declared) -> stat.Panel | timeseries.Panel:
    is_number, limit = panel.get("number", False), panel.get("limit")
    built = stat.Panel() if is_number else timeseries.Panel().min(0).fill_opacity(5)
    built.title(panel["title"]).description(panel["meaning"]).unit(panel.get("unit", "short"))
    built.datasource(SOURCE).span(WIDTH).height(NUMBER_HEIGHT if is_number else HEIGHT)
    for letter, (legend, query) in zip(string.ascii_uppercase, panel["asks"].items(), strict=False):
        asked = prometheus.Dataquery().expr(query).legend_format(legend).ref_id(letter)
        built.with_target(asked.instant() if is_number else asked.range())
    steps = [Threshold(value=None, color="green")]
    if limit is not None:
        steps.append(Threshold(value=limit, color="red"))
    built.thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
    if isinstance(built, timeseries.Panel) and limit is not None:
        built.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.LINE))
    return built


if __name__ == "__main__":
    for file, content in dashboards():
        file.write_text(content, encoding="utf-8")
