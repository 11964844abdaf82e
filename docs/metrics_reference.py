"""Writes the last table of docs/reference/metrics.md, from the metrics that the exporter declares."""

from datetime import UTC, datetime
from pathlib import Path

from mlops_assets.commands.metrics.home_parts import home_parts
from mlops_assets.core.exporter.metric import Metric
from mlops_assets.core.settings import load_settings

PAGE = Path(__file__).parent / "reference" / "metrics.md"
HEAD = "| metric | type | labels | how many | meaning |\n|---|---|---|---|---|\n"


def metrics_reference(page: str) -> str:
    """Return the page with the rows of its last table made anew; nothing of a home is looked at."""
    nowhere = Path("/nowhere")
    settings = load_settings({"MLOPS_HOME": str(nowhere)}, working_directory=nowhere)
    metrics = home_parts(settings, clock=lambda: datetime.now(UTC)).metrics
    return page.partition(HEAD)[0] + HEAD + "".join(_row(metric) for metric in metrics)


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.kind} | {labels} | {metric.bound} | {metric.meaning} |\n"


if __name__ == "__main__":
    PAGE.write_text(metrics_reference(PAGE.read_text("utf-8")), encoding="utf-8")
