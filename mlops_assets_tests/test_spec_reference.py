"""The reference of defs.yaml, made from the models that validate it."""

import runpy

from mlops_assets.core.product_spec import CanaryJudge, Gate, Monitoring, ProductSpec
from mlops_assets_tests.support.documents.markdown_pages import ROOT, Page

spec_reference = runpy.run_path(str(ROOT / "docs/spec_reference.py"))["spec_reference"]


def test_the_reference_of_defs_yaml_is_current() -> None:
    page = Page(ROOT / "docs/reference/defs-yaml.md").text
    command = "python docs/spec_reference.py > docs/reference/defs-yaml.md"
    assert page == spec_reference(), f"run: {command}"


def test_every_section_and_every_key_is_on_the_page_with_its_default() -> None:
    page = spec_reference()
    assert page.count("## ProductSpec") == 1
    for model in (ProductSpec, Gate, Monitoring, CanaryJudge):
        section = page.split(f"## {model.__name__}\n")[1].split("\n## ")[0]
        assert all(f"| `{name}` |" in section for name in model.model_fields)
    assert "| `alarms` | integer ≥ 1 | `2` |" in page
    assert "[Gate](#gate)" in page


def test_bounds_choices_and_lists_are_said_in_words() -> None:
    page = spec_reference()
    assert "number ≥ 0 and ≤ 1" in page
    assert "`automatic`, `manual`" in page
    assert "list of [Gate](#gate)" in page
    assert "mapping of names to" in page
