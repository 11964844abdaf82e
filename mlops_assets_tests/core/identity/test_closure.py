"""A closure is what code can reach through imports, found without running any of it."""

import json
from pathlib import Path

import pytest

from mlops_assets.core.errors import IdentityError
from mlops_assets.core.identity.closure import Closure, closure_of
from mlops_assets.core.identity.code_base import CodeBase, FactsCache, installed_code

FILES = {
    "__init__.py": "",
    "start.py": "from own.metrics import auc\nfrom own import files\nraise SystemExit('never imported')\n",
    "metrics.py": "import numpy as np\nimport json\n\ndef auc(rows):\n    from own.late import curve\n    return curve\n",  # noqa: E501
    "late.py": "curve = 1\n",
    "aside.py": "import pandas\n",
    "plots.py": "import matplotlib\nfrom own import colours\n",
    "colours.py": "",
    "files/__init__.py": "COMMAND = ['-m', 'own.worker']\nQUERY = Path(__file__).with_name('query.sql')\n",
    "files/query.sql": "select 1",
    "files/other.sql": "select 2",
    "worker.py": "from own import plots\n",
}


def code_of(folder: Path, changes: dict[str, str] | None = None, cache: Path | None = None) -> CodeBase:
    own = folder / "own"
    for name, text in {**FILES, **(changes or {})}.items():
        (own / name).parent.mkdir(parents=True, exist_ok=True)
        (own / name).write_text(text)
    return CodeBase({"own": own}, facts_cache=FactsCache(cache))


def start(code: CodeBase, *left_out: str) -> Closure:
    return closure_of(code, modules=["own.start"], left_out=left_out)


def test_imports_at_the_top_in_functions_and_by_name_are_followed(tmp_path: Path) -> None:
    closure = start(code_of(tmp_path))
    names = ["", ".colours", ".files", ".late", ".metrics", ".plots", ".start", ".worker"]
    assert list(closure.modules) == [f"own{name}" for name in names]
    assert [file.name for file in closure.files] == ["query.sql"]
    assert closure.libraries == ("matplotlib", "numpy")


def test_what_is_left_out_takes_what_only_it_imports_with_it(tmp_path: Path) -> None:
    closure = start(code_of(tmp_path), "own.plots")
    assert not {"own.plots", "own.colours"} & set(closure.modules)
    assert closure.libraries == ("numpy",)


@pytest.mark.parametrize("file", ["metrics.py", "late.py", "worker.py", "plots.py"])
def test_a_changed_statement_changes_the_digest_and_a_comment_does_not(tmp_path: Path, file: str) -> None:
    before = start(code_of(tmp_path / "before"))
    worded = start(code_of(tmp_path / "worded", {file: f"# why\n{FILES[file]}"}))
    changed = start(code_of(tmp_path / "changed", {file: f"{FILES[file]}\nEXTRA = 1\n"}))
    assert worded.digest == before.digest
    assert changed.digest != before.digest


def test_a_file_that_a_module_names_counts_and_its_neighbour_does_not(tmp_path: Path) -> None:
    before = start(code_of(tmp_path / "before")).digest
    assert start(code_of(tmp_path / "query", {"files/query.sql": "select 3"})).digest != before
    assert start(code_of(tmp_path / "other", {"files/other.sql": "select 3"})).digest == before
    assert start(code_of(tmp_path / "aside", {"aside.py": "import torch"})).digest == before


def test_another_source_can_be_presented_for_a_file(tmp_path: Path) -> None:
    code = code_of(tmp_path)

    def source_of(path: Path) -> bytes:
        return b"curve = 2\n" if path.name == "late.py" else path.read_bytes()

    assert start(CodeBase(code.folders, source_of)).digest != start(code).digest


def test_what_was_found_is_kept_for_the_next_process_and_is_no_part_of_the_answer(tmp_path: Path) -> None:
    kept = tmp_path / "cache" / "facts.json"
    first = start(code_of(tmp_path, cache=kept))
    stored = json.loads(kept.read_text())
    assert len(stored["facts"]) == len({*FILES.values()} - {"select 1", "select 2", FILES["aside.py"]})
    assert start(code_of(tmp_path, cache=kept)) == first
    changed = start(code_of(tmp_path, {"late.py": "curve = 2\n"}, cache=kept))
    assert changed.digest != first.digest
    for broken in ("", "[]", '{"format": 0}', '{"format": 1, "facts": 3}'):
        kept.write_text(broken)
        assert start(code_of(tmp_path, {"late.py": "curve = 2\n"}, cache=kept)) == changed


def test_a_root_that_is_not_there_and_a_module_that_is_no_python_are_named(tmp_path: Path) -> None:
    with pytest.raises(IdentityError, match=r"no module own\.missing"):
        closure_of(code_of(tmp_path), modules=["own.missing"])
    with pytest.raises(IdentityError, match=r"own\.late is no Python"):
        start(code_of(tmp_path, {"late.py": "def"}))


def test_names_of_modules_are_put_together_only_where_a_caller_names_them() -> None:
    code = installed_code()
    folder = code.folders["mlops_assets"].parent
    places = [
        file.relative_to(folder).as_posix()
        for package in code.folders.values()
        for file in package.rglob("*.py")
        if "importlib.import_module" in file.read_text(encoding="utf-8")
    ]
    assert sorted(places) == ["mlops_assets/catalogue.py", "serving/served_product.py"]
