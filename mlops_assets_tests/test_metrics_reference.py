"""The reference of metrics is made from those that the exporter declares."""

import runpy

from mlops_assets_tests.support.documents.markdown_pages import ROOT

made = runpy.run_path(str(ROOT / "docs/metrics_reference.py"))


def test_the_table_of_the_platforms_metrics_is_current() -> None:
    page = made["PAGE"].read_text(encoding="utf-8")
    assert made["metrics_reference"](page) == page, "run: python docs/metrics_reference.py"


def test_names_follow_the_conventions_of_prometheus() -> None:
    rows = made["metrics_reference"]("").splitlines()[2:]
    assert len(rows) > 30
    for row in rows:
        name, kind, labels = (cell.strip().strip("`") for cell in row.split("|")[1:4])
        assert name.startswith("mlops_")
        assert name.endswith("_total") is (kind == "counter")
        assert "_ms" not in name
        assert "_days" not in name
        assert not {"job", "instance", "le"} & {one.strip(" `") for one in labels.split(",")}
