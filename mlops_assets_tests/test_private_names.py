"""Private names of other people's libraries are used in a few named rooms, each with a page that asks for better."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_assets_tests.support.source_tree import ROOT, modules

ROOMS = {
    "mlops_assets/core/model/prepared_call.py": "lightgbm-single-row.md",
    "mlops_assets/core/training/parameter_names.py": "lightgbm-parameter-names.md",
    "mlops_assets/embedded/batched_event_log.py": "dagster-event-batches.md",
    "mlops_assets/embedded/run_origin.py": "dagster-run-origin.md",
    "mlops_assets/embedded/run_configuration.py": "dagster-environment-in-run-configuration.md",
    "mlops_assets/embedded/web_ui.py": "dagster-web-ui-middleware.md",
    "serving/http/connections.py": "bentoml-server-limits.md",
    "serving/http/fast_lane.py": "bentoml-front-middleware.md",
}
"""Module to its page in docs/upstream."""
OWN = ("mlops_assets", "serving", "benchmarks", "mlops_assets_tests")
UNDOCUMENTED = ("middleware_stack", "libpath", "HTTP_PROTOCOLS")
"""Names without an underscore that no documentation promises."""
OF_NAMED_TUPLES = ("_replace", "_make", "_asdict", "_fields")
OUR_OWN = {"grouped._order", "grouped._starts", "Ledger._commit", "mirror._Writer", "course._kill_all"}
"""Private names of our own classes that are not asked of `self`."""
DOCUMENTED = {"os._exit"}
"""Names with an underscore that Python's documentation promises."""


def private_uses(source: str) -> list[str]:
    """Private names of foreign modules that the source imports or asks an object for, except for type checkers."""
    return sorted({name for node in _at_run_time(ast.parse(source)) for name in _private(node)})


def _at_run_time(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _at_run_time(child)


def _private(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if _is_private(alias.name))
    elif isinstance(node, ast.ImportFrom):
        names = (f"{node.module}.{alias.name}" for alias in node.names)
        yield from (name for name in names if _is_private(name))
    elif isinstance(node, ast.Attribute) and _is_hidden(node.attr):
        name = ast.unparse(node)
        if ast.unparse(node.value) not in ("self", "cls") and name not in OUR_OWN | DOCUMENTED:
            yield name
    elif isinstance(node, ast.Constant) and node.value in UNDOCUMENTED:
        yield str(node.value)


def _is_private(name: str) -> bool:
    parts = name.split(".")
    hidden = any(_is_hidden(part) or part in ("legacy", "internal", *UNDOCUMENTED) for part in parts)
    return parts[0] not in OWN and hidden


def _is_hidden(name: str) -> bool:
    is_private = name.startswith("_") and not name.endswith("__") and name not in OF_NAMED_TUPLES
    return is_private or name in UNDOCUMENTED


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from dagster._core.events import X", ["dagster._core.events.X"]),
        ("def f():\n    import bentoml._internal.context", ["bentoml._internal.context"]),
        ("from lightgbm.basic import _ConfigAliases", ["lightgbm.basic._ConfigAliases"]),
        ("from evidently.legacy.core import ColumnType", ["evidently.legacy.core.ColumnType"]),
        ("handle = booster._handle", ["booster._handle"]),
        ("application.middleware_stack = front", ["application.middleware_stack"]),
        ("getattr(application, 'middleware_stack', None)", ["middleware_stack"]),
        ("self._row = 1", []),
        ("name = type(row).__name__", []),
        ("from mlops_assets.core import _own", []),
        ("if TYPE_CHECKING:\n    from dagster._serdes import X", []),
        ("from __future__ import annotations", []),
    ],
)
def test_private_uses_are_found(source: str, found: list[str]) -> None:
    assert private_uses(source) == found


def test_private_names_of_libraries_are_used_in_their_rooms_only() -> None:
    found = {
        str(file.relative_to(ROOT)): uses
        for file in modules("mlops_assets", "serving", "benchmarks")
        if (uses := private_uses(file.read_text("utf-8")))
    }
    assert {file: uses for file, uses in found.items() if file not in ROOMS} == {}
    assert sorted(found) == sorted(ROOMS)


@pytest.mark.parametrize(("room", "page"), ROOMS.items())
def test_each_room_says_where_the_page_is_that_asks_for_a_public_way(room: str, page: str) -> None:
    assert f"docs/upstream/{page}" in (ROOT / room).read_text("utf-8")
    text = (ROOT / "docs" / "upstream" / page).read_text("utf-8")
    assert Path(room).name in text
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings == [
        "## What we do",
        "## Why",
        "## What we lean on",
        "## What would do",
        "## Minimal example",
    ]
