"""Every file, module and name that a docstring or a page names in back quotes exists."""

import importlib
from collections.abc import Callable, Iterator

import pytest

from mlops_assets_tests.support.documents import named_things
from mlops_assets_tests.support.documents.markdown_pages import pages
from mlops_assets_tests.support.documents.named_things import Named

NOT_OURS = {
    "fraud_detection_retrain": "decision 008 says why jobs are not named like this",
    "ru_maxrss": "a field of the operating system",
    "EventLogStorage": "a class of Dagster",
    "PostgresEventLogStorage": "a class of Dagster",
    "store_event": "a method of Dagster",
    "psi_threshold": "a key of earlier declarations",
    "drift_share": "a key of earlier declarations",
}
everywhere = pytest.mark.parametrize(
    "all_named", [named_things.named_in_pages, named_things.named_in_docstrings]
)
AllNamed = Callable[[], Iterator[Named]]


@everywhere
def test_every_named_file_exists(all_named: AllNamed) -> None:
    there = [f"/{path.as_posix()}" for path in named_things.repository_files()]
    there += [f"/{block.title}" for page in pages() for block in page.blocks("python")]
    files = [(named, path) for named in all_named() if (path := named_things.source_file(named.text))]
    assert not [str(named) for named, path in files if not any(file.endswith(f"/{path}") for file in there)]


@everywhere
def test_every_named_module_exists(all_named: AllNamed) -> None:
    modules = [(named, name) for named in all_named() if (name := named_things.module(named.text))]
    assert not [str(named) for named, name in modules if not is_there(name)]


@everywhere
def test_every_named_function_class_column_or_setting_is_in_the_code(all_named: AllNamed) -> None:
    words = [(named, word) for named in all_named() for word in named_things.words(named.text)]
    assert not [
        str(named) for named, word in words if word not in NOT_OURS and not named_things.is_in_code(word)
    ]


def test_names_that_are_not_there_are_found() -> None:
    assert not is_there("mlops_assets.core.features.no_such_module")
    assert not is_there("mlops_assets.core.features.view.NoSuchClass")
    assert is_there("mlops_assets.core.features.view.FeatureView")
    assert not named_things.is_in_code("no_such" + "_word")
    assert not named_things.is_in_code("NoSuch" + "Name")
    assert named_things.words("canary_evidence.read()") == ["canary_evidence"]


def is_there(name: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        parent, _, last = name.rpartition(".")
        return bool(parent) and is_there(parent) and hasattr(importlib.import_module(parent), last)
    return True
