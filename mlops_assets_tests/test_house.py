"""What keeps the house in order: small rooms, short files, tests of all logic, and a wheel without the tests."""

import tomllib
from collections import Counter
from pathlib import Path

import pytest
from setuptools import find_packages

from mlops_assets_tests.support.source_tree import (
    PACKAGES,
    ROOT,
    TESTS,
    function_lines,
    has_logic,
    imported_modules,
    mirror_of,
    modules,
    undescribed_parameters,
)

MAXIMUM_MODULES = 15
MAXIMUM_LINES = 400
MAXIMUM_FUNCTION_LINES = 60


def shown(file: Path) -> str:
    return str(file.relative_to(ROOT))


def test_no_folder_holds_more_modules_than_a_reader_takes_in() -> None:
    per_folder = Counter(file.parent for file in modules(*PACKAGES))
    assert len(per_folder) > 40
    assert {shown(folder): n for folder, n in per_folder.items() if n > MAXIMUM_MODULES} == {}


def test_no_file_is_longer_than_a_reader_keeps_in_mind() -> None:
    lines = {shown(file): len(file.read_text(encoding="utf-8").splitlines()) for file in modules(*PACKAGES)}
    assert {file: n for file, n in lines.items() if n > MAXIMUM_LINES} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    long = {
        f"{shown(file)}: {name}": lines
        for file in modules("mlops_assets", "serving")
        for name, lines in function_lines(file.read_text("utf-8"))
        if lines > MAXIMUM_FUNCTION_LINES
    }
    assert long == {}


def test_every_folder_of_modules_is_a_package() -> None:
    folders = {file.parent for file in modules(*PACKAGES)}
    assert [shown(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_every_module_with_logic_has_its_test_module() -> None:
    with_logic = [file for file in modules("mlops_assets", "serving") if has_logic(file.read_text("utf-8"))]
    assert len(with_logic) > 100
    missing = {shown(file): shown(mirror_of(file)) for file in with_logic if not mirror_of(file).exists()}
    assert missing == {}


def test_public_functions_of_many_parameters_say_what_each_is() -> None:
    packages = modules("mlops_assets", "serving", "benchmarks")
    unsaid = {
        f"{shown(file)}: {name}": missing
        for file in packages
        if file.name not in ("cli.py", "cli_groups.py")  # there each parameter has its `help`
        for name, missing in undescribed_parameters(file.read_text("utf-8"))
    }
    assert unsaid == {}


def test_a_parameter_that_a_docstring_leaves_out_is_found() -> None:
    source = (
        'def move(a, b, c, *, pace, goal):\n    """Move from a and b to c.\n\n    pace: in m/s.\n    """\n'
    )
    assert list(undescribed_parameters(source)) == [("move", ["goal"])]
    assert list(undescribed_parameters(source.replace("move", "_move"))) == []


def test_every_test_module_has_a_test() -> None:
    files = [file for file in modules("mlops_assets_tests") if file.name.startswith("test_")]
    assert [shown(file) for file in files if "\ndef test_" not in file.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("LIMIT = 2 * 3", False),
        ("class Row:\n    value: int | None = None", False),
        (
            "class Reader(Protocol):\n    def read(self) -> int | None:\n        '''Read.'''\n        ...",
            False,
        ),
        ("def plan() -> Plan:\n    text: str | None = name()\n    return Plan(text)", False),
        ("def sign(x):\n    if x:\n        return 1\n    return 0", True),
        ("def double(x):\n    return 2 * x", True),
        ("def names(rows):\n    return [row.name for row in rows]", True),
        ("async def wait(x):\n    while x:\n        await x", True),
        ("first = lambda a, b: a < b", True),
        ("class Row:\n    @property\n    def area(self):\n        return self.width * self.height", True),
    ],
)
def test_logic_is_what_branches_loops_or_computes(source: str, expected: bool) -> None:
    assert has_logic(source) is expected


def test_no_module_imports_a_test_module() -> None:
    importing = {
        shown(file): names
        for file in modules(*PACKAGES)
        if (names := {name for name in imported_modules(file.read_text("utf-8")) if is_test_module(name)})
    }
    assert importing == {}


def is_test_module(name: str) -> bool:
    parts = name.split(".")
    return parts[0] == TESTS.name and any(part.startswith("test_") for part in parts[1:])


def test_the_wheel_holds_the_platform_and_not_its_tests() -> None:
    configured = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = configured["tool"]["setuptools"]["packages"]["find"]
    shipped = set(find_packages(where=str(ROOT), **patterns))
    folders = {
        file.parent for name in ("mlops_assets", "serving") for file in (ROOT / name).rglob("__init__.py")
    }
    assert shipped == {".".join(folder.relative_to(ROOT).parts) for folder in folders}
