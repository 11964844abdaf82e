"""Source files found by module name, read without importing anything."""

from pathlib import Path

import pytest

from mlops_assets.core.errors import IdentityError
from mlops_assets.core.identity.code_base import CodeBase, FactsCache, is_within, with_packages


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    package = tmp_path / "shop"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "inner" / "__init__.py").write_text("")
    (package / "inner" / "rows.py").write_text(
        "import json\nimport shop.prices\nFILE = 'rows.sql'\nraise SystemExit\n"
    )
    (package / "inner" / "rows.sql").write_text("select 1")
    (package / "prices.py").write_text("def net(gross):\n    return gross / 1.19\n")
    (package / "broken.py").write_text("def (")
    return package


@pytest.fixture
def code(folder: Path) -> CodeBase:
    return CodeBase({"shop": folder})


def test_modules_and_packages_are_found_and_others_are_not(code: CodeBase, folder: Path) -> None:
    assert code.find("shop") == folder / "__init__.py"
    assert code.find("shop.inner") == folder / "inner" / "__init__.py"
    assert code.find("shop.inner.rows") == folder / "inner" / "rows.py"
    assert code.find("shop.nowhere") is None
    assert code.find("json") is None
    assert (code.owns("shop.prices"), code.owns("shops"), code.owns("json")) == (True, False, False)


def test_a_module_is_read_and_not_run(code: CodeBase, folder: Path) -> None:
    facts = code.module("shop.inner.rows")
    assert code.imported_by(facts) == ("shop", "shop.prices")
    assert list(code.files("shop.inner.rows")) == [folder / "inner" / "rows.sql"]


def test_what_is_not_there_or_no_python_is_named(code: CodeBase) -> None:
    with pytest.raises(IdentityError, match=r"no module shop\.nowhere"):
        code.module("shop.nowhere")
    with pytest.raises(IdentityError, match=r"module shop\.broken is no Python"):
        code.module("shop.broken")


@pytest.mark.parametrize(
    ("text", "is_same"),
    [
        ("def net(gross):\n    '''Without tax.'''\n    return gross / 1.19  # 19 %\n", True),
        ("def net(gross):\n    return gross / 1.07\n", False),
    ],
)
def test_facts_change_with_what_the_code_does_and_not_with_how_it_is_written(
    folder: Path, text: str, is_same: bool
) -> None:
    before = CodeBase({"shop": folder}).module("shop.prices").digest
    (folder / "prices.py").write_text(text)
    assert (CodeBase({"shop": folder}).module("shop.prices").digest == before) == is_same


def test_facts_are_kept_for_the_next_process_and_a_damaged_file_costs_time_only(
    folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "facts.json"

    def facts():
        code = CodeBase({"shop": folder}, facts_cache=FactsCache(file))
        found = code.module("shop.prices")
        code.facts_cache.save()
        return found

    first = facts()
    kept = file.read_bytes()
    assert facts() == first
    assert file.read_bytes() == kept
    for damaged in ("", "[]", '{"format": 0}'):
        file.write_text(damaged)
        assert facts() == first
        assert file.read_bytes() == kept


def test_names_lie_in_packages_by_their_parts() -> None:
    assert with_packages("a.b.c") == ("a", "a.b", "a.b.c")
    assert [is_within(name, ("a.b",)) for name in ("a.b", "a.b.c", "a.bc", "a")] == [True, True, False, False]
