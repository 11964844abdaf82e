"""A program that a test starts is there or named with the command that installs it; tests that start one are marked."""

import ast
from pathlib import Path

import pytest

from mlops_assets_tests.support.programs import (
    PROGRAMS,
    MissingProgramError,
    Program,
    install_command,
    main,
)
from mlops_assets_tests.support.source_tree import ROOT, TESTS, imported_modules, modules

COMMAND = "sudo apt-get install -y --no-install-recommends one-server two-server"
ONE, TWO = Program("one", "one-server", also=("uno",)), Program("two", "two-server")
MARKER = "servers"
STARTS_PROGRAMS = {"mlops_assets_tests.support.programs", "mlops_assets_tests.support.processes.browser"}
"""Who imports these starts a program of Debian."""


def installed(folder: Path, *names: str) -> str:
    for name in names:
        (folder / name).touch(mode=0o755)
    return str(folder)


def test_a_program_is_found_under_any_of_its_names(tmp_path: Path) -> None:
    folders = installed(tmp_path, "uno")
    assert ONE.path(folders) == str(tmp_path / "uno")
    assert main(programs=[ONE], folders=folders) == 0


def test_what_is_missing_is_named_with_the_command_that_installs_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(
        MissingProgramError, match=r"one is not installed: sudo apt-get install .* one-server$"
    ):
        ONE.path(str(tmp_path))
    assert main(programs=[TWO, ONE], folders=str(tmp_path)) == 1
    assert f"missing: two, one. On Debian and Ubuntu: {COMMAND}\n" in capsys.readouterr().err


def test_programs_of_one_package_install_it_once() -> None:
    tool = Program("two-tool", "two-server")
    assert install_command([TWO, tool])[-1:] == ["two-server"]


def test_the_tests_that_start_a_program_are_marked_and_no_others() -> None:
    """Unmarked, they would fail in `make test` wherever the program is missing."""
    starting = {file for file in modules(str(TESTS.relative_to(ROOT))) if starts_a_program(file)}
    marked = {file for file in modules(str(TESTS.relative_to(ROOT))) if is_marked(file)}
    assert starting == marked
    assert starting


def starts_a_program(file: Path) -> bool:
    is_test = file.name.startswith("test_") and file != Path(__file__)
    return is_test and bool(STARTS_PROGRAMS & set(imported_modules(file.read_text("utf-8"))))


def is_marked(file: Path) -> bool:
    """Whether the module says `pytestmark = pytest.mark.servers`, which marks all its tests."""
    tree = ast.parse(file.read_text("utf-8"))
    return any(
        isinstance(node, ast.Assign) and ast.unparse(node) == f"pytestmark = pytest.mark.{MARKER}"
        for node in tree.body
    )


def test_every_program_says_which_package_brings_it() -> None:
    assert all(program.name and program.package for program in PROGRAMS)
    assert len({program.name for program in PROGRAMS}) == len(PROGRAMS)
