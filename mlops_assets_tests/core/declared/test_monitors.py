"""A product's monitors.py: what it may hold, and what is said of a wrong one."""

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from mlops_assets import products
from mlops_assets.catalogue import assemble, load_product, read_spec
from mlops_assets.core.declared.monitors import Observation
from mlops_assets.core.errors import ProductSpecError
from mlops_assets.core.product import Product
from mlops_assets_tests.support.documents.markdown_pages import ROOT, Page

PAGE = Page(ROOT / "docs/how-to/add-a-monitor.md")


def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, **spec: Any) -> Product:
    """A copy of fraud_detection's folder with this monitors.py, loaded as the platform loads it."""
    folder = tmp_path / "fraud_detection"
    shutil.copytree(load_product("fraud_detection").folder, folder)
    (folder / "monitors.py").write_text(text, encoding="utf-8")
    monkeypatch.setattr(products, "__path__", [str(tmp_path)])
    loaded = {name: one for name, one in sys.modules.items() if ".products.fraud_detection" in name}
    for name in loaded:
        monkeypatch.delitem(sys.modules, name)
    declared = read_spec(folder / "defs.yaml")
    try:
        return assemble(declared.model_copy(update=spec), folder=folder)
    finally:
        for name in [name for name in sys.modules if ".products.fraud_detection" in name]:
            del sys.modules[name]


def test_a_folder_with_the_pages_file_has_its_monitors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = written(tmp_path, monkeypatch, PAGE.block("monitors.py"))
    assert list(product.monitors) == ["night_share", "dearest_percent", "desk", "prices"]


HEAD = """import polars as pl
from mlops_assets.core.declared.monitors import Statistic
"""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("import nothing_of_that_name", "monitors.py:3: ModuleNotFoundError"),
        ("OTHER = {}", "defines no MONITORS"),
        ("MONITORS = [1]", "monitors.py:3: MONITORS maps names to monitors"),
        ("MONITORS = {'a b': lambda window: None}", "monitors.py:3: MONITORS: 'a b' is no name"),
        ("MONITORS = {'one': 1}", "monitors.py:3: one is neither a Statistic nor a function"),
        ("MONITORS = {'one': Statistic(pl.col('amont_usd').mean())}", "monitors.py:3: one: .*amount_usd"),
        ("MONITORS = {'one': Statistic(pl.col('is_fraud').mean())}", "monitors.py:3: one: .*no column"),
        ("MONITORS = {'one': Statistic(pl.all().mean())}", "monitors.py:3: one: a statistic is one number"),
        ("MONITORS = {'one': Statistic(pl.lit('x'))}", "monitors.py:3: one: a statistic is one number"),
        ("MONITORS = {'one': Statistic(pl.len(), smallest_change=0)}", "monitors.py:3: one: smallest_change"),
        ("MONITORS = {'one': Statistic('amount_usd')}", "monitors.py:3: one: "),
    ],
)
def test_a_wrong_file_is_said_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, words: str
) -> None:
    with pytest.raises(ProductSpecError, match=words):
        written(tmp_path, monkeypatch, HEAD + line + "\n")


@pytest.mark.parametrize("wrong", [{"above": 1.0, "below": 0.0}, {"low": 1.0}, {"high": 1.0}])
def test_an_observation_has_one_limit_and_a_whole_interval(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="give"):
        Observation(value=1.0, **wrong)
