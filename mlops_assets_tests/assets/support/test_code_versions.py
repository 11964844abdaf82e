"""An asset's code version changes with what computes its table, and with nothing else."""

import ast
from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest

from mlops_assets.assets.support.code_versions import SHOWS_ONLY, asset_code
from mlops_assets.catalogue import load_product, product_names
from mlops_assets.components.model_product import product_definitions
from mlops_assets.core.identity.code_base import CodeBase, installed_code, is_within
from mlops_assets.core.product import Product
from mlops_assets_tests.support.code.edited import Edit, edited_code

CORE = "mlops_assets.core"
FOLDER = "mlops_assets.products.fraud_detection"
FOUND = {  # what an edit of a module must touch, and what it must leave alone
    Edit(f"{CORE}.evaluation.metrics", "average_precision", "average_precision_"): (
        {"evaluation"},
        {"model", "training_set", "features", "events", "predictions", "release"},
    ),
    Edit(f"{CORE}.training.fit", "def fit(", "def fitted(seed):\n    return seed\n\n\ndef fit("): (
        {"model", "hyperparameters"},
        {"training_set", "features", "release", "outcomes"},
    ),
    Edit(f"{CORE}.training.tuning", "def tune(", "MORE = 1\n\n\ndef tune("): (
        {"hyperparameters"},
        {"model", "evaluation", "training_set"},
    ),
    Edit(f"{CORE}.evaluation.plots", "def roc_curves(", "MORE = 1\n\n\ndef roc_curves("): (set(), {"*"}),
    Edit(f"{CORE}.plots.overview", "def rows_per_day(", "MORE = 1\n\n\ndef rows_per_day("): (set(), {"*"}),
    Edit(f"{CORE}.lakehouse.day_range", '"""Whole UTC days', '"""Entire UTC days'): (set(), {"*"}),
    Edit("mlops_assets.assets.evaluation", '"precision_recall":', '"precision and recall":'): (set(), {"*"}),
    Edit("mlops_assets.assets.evaluation", '== "validation"', '== "train"'): (
        {"evaluation"},
        {"model", "hyperparameters", "model_version"},
    ),
    Edit("mlops_assets.assets.training_set", "as_of is not None", "as_of"): (
        {"training_set"},
        {"model", "hyperparameters"},
    ),
    Edit(f"{FOLDER}.features", "VIEW", "MORE = 1\nVIEW"): (
        {"features", "training_set", "model", "evaluation", "parity_report", "bento"},
        {"raw_events", "events", "labels", "release", "outcomes"},
    ),
    Edit(f"{FOLDER}.dataset", "SOURCES", "MORE = 1\nSOURCES"): (
        {"raw_events", "labels"},
        {"events", "features", "model", "evaluation", "bento", "release"},
    ),
    Edit("serving.limits", "MAXIMUM_EVENTS = 1000", "MAXIMUM_EVENTS = 1001"): (
        {"bento"},
        {"model", "evaluation", "model_version", "release", "predictions"},
    ),
}


def functions_of(product: Product) -> dict[str, Callable[..., Any]]:
    """The function of each asset, by the asset's noun."""
    return {
        key.path[-1]: asset.op.compute_fn.decorated_fn  # pyright: ignore
        for asset in product_definitions(product).assets or ()
        if isinstance(asset, dg.AssetsDefinition)
        for key in asset.keys
    }


def versions(code: CodeBase, name: str = "fraud_detection") -> dict[str, str]:
    product = load_product(name)
    return {
        noun: asset_code(product, function, code).short_digest
        for noun, function in functions_of(product).items()
    }


@pytest.fixture(scope="module")
def installed() -> dict[str, str]:
    return versions(installed_code())


@pytest.mark.parametrize("edit", FOUND, ids=lambda edit: f"{edit.module}: {edit.new[:20]}")
def test_an_edit_changes_the_versions_of_what_it_computes(edit: Edit, installed: dict[str, str]) -> None:
    must, must_not = FOUND[edit]
    edited = versions(edited_code(edit))
    changed = {noun for noun, version in edited.items() if version != installed[noun]}
    assert must <= changed
    assert not (set(installed) if must_not == {"*"} else must_not) & changed


def test_dagster_shows_it_and_it_is_short(installed: dict[str, str]) -> None:
    product = load_product("fraud_detection")
    shown = {
        key.path[-1]: version
        for asset in product_definitions(product).assets or ()
        if isinstance(asset, dg.AssetsDefinition)
        for key, version in asset.code_versions_by_key.items()
    }
    assert shown == installed
    assert all(len(version) == 12 for version in installed.values())


@pytest.mark.parametrize("name", product_names())
def test_what_is_left_out_gives_code_that_computes_nothing_but_pictures_and_words(name: str) -> None:
    """What assets take from there are functions that return bytes, Dagster's metadata or nothing."""
    shown = {
        "bytes",
        "None",
        "Path | None",
        "Path",
        "dg.MetadataValue",
        "dg.TableSchema",
        "dg.TableColumnLineage",
        "Function",
    }
    code = installed_code()
    product = load_product(name)
    reached = {
        module
        for function in functions_of(product).values()
        for module in (function.__module__, *asset_code(product, function).modules)
    }
    taken = {
        text
        for module in reached
        for text in code.module(module).imports
        if is_within(text, SHOWS_ONLY) and code.find(text) is None
    }
    assert len(taken) > 15
    for text in sorted(taken):
        module, function = text.rsplit(".", 1)
        returned = returns(code, module).get(function)
        assert returned is None or returned in shown, f"{text} returns {returned}"


def returns(code: CodeBase, module: str) -> dict[str, str]:
    tree = ast.parse(code.module_file(module).read_text(encoding="utf-8"))
    return {
        node.name: ast.unparse(node.returns) if node.returns else ""
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
    }
