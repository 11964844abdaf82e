"""What an asset's function reaches in its module: what it names, in turn, and nothing beside it."""

import ast

import pytest

from mlops_assets.core.errors import IdentityError
from mlops_assets.core.identity.reach import reach_of
from mlops_assets.core.identity.syntax import CodeFacts, facts_of, module_tree

SOURCE = """
from pictures import page_only, picture
from metrics import auc, recall
from words import describe
import polars as pl

LIMIT = 3
OTHER = 4
KNOWN = []
KNOWN.append(LIMIT)

def factory(product: Product):
    extra = product.extra
    unused = OTHER
    title = describe(product)

    @decorate(title)
    def asset(context):
        rows = pl.DataFrame(extra)
        return measured(rows), draw(rows), picture(rows), KNOWN

    return asset

def measured(rows):
    return auc(rows)

@page_only
def draw(rows):
    return recall(rows)

def elsewhere():
    return recall(1)
"""


def reach(source: str, name: str = "factory.<locals>.asset") -> CodeFacts:
    tree = module_tree(source.encode(), name="module")
    return facts_of(reach_of(tree, name, is_left_out=lambda module: module.startswith("pictures")))


def test_helpers_constants_parameters_and_variables_around_it_are_reached() -> None:
    assert reach(SOURCE).imports == ("metrics", "metrics.auc", "polars")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return auc(rows)", "return auc(rows) + 1"),
        ("extra = product.extra", "extra = product.other"),
        ("LIMIT = 3", "LIMIT = 4"),
        ("KNOWN.append(LIMIT)", "KNOWN.append(2)"),
        ("pl.DataFrame(extra)", "pl.DataFrame(extra).head(1)"),
        ("product: Product", "product: OtherProduct"),
        ("from metrics import auc, recall", "from metrics import recall\nfrom other import auc"),
    ],
)
def test_a_change_of_what_is_reached_counts(old: str, new: str) -> None:
    assert old in SOURCE
    assert reach(SOURCE.replace(old, new)).digest != reach(SOURCE).digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return recall(rows)", "return recall(rows) + 1"),
        ("return recall(1)", "return recall(2)"),
        ("unused = OTHER", "unused = 5"),
        ("title = describe(product)", "title = 'other'"),
        ("from words import describe\n", ""),
    ],
)
def test_a_change_of_anything_else_does_not(old: str, new: str) -> None:
    assert old in SOURCE
    assert reach(SOURCE.replace(old, new)) == reach(SOURCE)


def test_a_function_that_is_not_there_is_named() -> None:
    with pytest.raises(IdentityError, match=r"no function factory\.<locals>\.missing"):
        reach(SOURCE, "factory.<locals>.missing")


def test_it_is_a_part_of_the_tree() -> None:
    tree = module_tree(SOURCE.encode(), name="module")
    pieces = reach_of(tree, "measured", is_left_out=lambda _: False)
    assert any(isinstance(piece, ast.Return) for piece in pieces)
