"""A digest of code is equal for what does the same by its syntax, and another one for everything else."""

import ast

import pytest

from mlops_assets.core.identity.syntax import CodeFacts, facts_of, module_tree

SOURCE = '''"""What lives here."""
from typing import TYPE_CHECKING
import polars as pl
if TYPE_CHECKING:
    from mlflow import MlflowClient

LIMIT = 3
"""What the limit means."""

def total(rows, *, cut=0.5):
    """Add up."""
    from sklearn.metrics import auc  # heavy
    kept = [row.value for row in rows if row.score > cut]
    return sum(kept) + LIMIT
'''


def facts(source: str) -> CodeFacts:
    return facts_of([module_tree(source.encode(), name="module")])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  # heavy", "  # not so heavy"),
        ("LIMIT = 3", "# how many\nLIMIT = 3"),
        ('"""Add up."""', '"""Sum of the kept values."""'),
        ('    """Add up."""\n', ""),
        ('"""What lives here."""', '"""Something else."""'),
        ('"""What the limit means."""', ""),
        ("rows, *, cut=0.5", "\n    rows,\n    *,\n    cut=0.5,\n"),
        ("LIMIT = 3", "LIMIT = (3)"),
        ("from mlflow import MlflowClient", "from mlflow import MlflowClient, MlflowException"),
    ],
)
def test_comments_docstrings_layout_and_imports_for_type_checkers_do_not_count(old: str, new: str) -> None:
    assert old in SOURCE
    assert facts(SOURCE.replace(old, new)) == facts(SOURCE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("LIMIT = 3", "LIMIT = 3.0"),
        ("> cut", ">= cut"),
        ("cut=0.5", "cut=0.25"),
        ("row.value", "row.score"),
        ("sum(kept) + LIMIT", "LIMIT + sum(kept)"),
        ("def total", "def whole"),
    ],
)
def test_statements_constants_and_names_count(old: str, new: str) -> None:
    assert old in SOURCE
    assert facts(SOURCE.replace(old, new)).digest != facts(SOURCE).digest


def test_what_is_mentioned_is_collected_from_functions_too() -> None:
    found = facts(SOURCE + 'PROCESS = ["python", "-m", "serving.plan_follower"]\n')
    assert found.imports == (
        "polars",
        "sklearn.metrics",
        "sklearn.metrics.auc",
        "typing",
        "typing.TYPE_CHECKING",
    )
    assert found.texts == ("serving.plan_follower",)
    assert found.attributes == ("score", "value")


def test_a_text_that_is_a_value_is_no_docstring() -> None:
    assert facts('x = "a"\n').digest != facts('x = "b"\n').digest
    assert facts('def f():\n    return "a"\n').digest != facts('def f():\n    return "b"\n').digest


def test_a_body_of_nothing_but_a_docstring_is_empty() -> None:
    assert facts('class A:\n    """One."""\n') == facts('class A:\n    """Two."""\n')
    assert isinstance(module_tree(b'"""Only words."""', name="module"), ast.Module)
