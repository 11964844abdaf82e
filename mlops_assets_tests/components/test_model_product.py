"""Dagster's own loading of a product folder: the same declaration, and its own words about a wrong one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
from dagster.components.testing import create_defs_folder_sandbox

from mlops_assets.catalogue import PRODUCTS_FOLDER, load_product
from mlops_assets.components.model_product import ModelProduct, product_definitions
from mlops_assets.core.settings import load_settings
from mlops_assets.definitions import platform_resources
from mlops_assets_tests.support.code_location import describe

FRAUD = PRODUCTS_FOLDER / "fraud_detection"


@contextmanager
def loaded(*, old: str = "", new: str = "") -> Iterator[dg.Definitions]:
    """The definitions of a Dagster project whose only folder is fraud detection's, with one text replaced."""
    text = (FRAUD / "defs.yaml").read_text(encoding="utf-8")
    assert old in text
    with create_defs_folder_sandbox() as sandbox:
        folder = Path(sandbox.defs_folder_path) / FRAUD.name
        folder.mkdir()
        (folder / "defs.yaml").write_text(text.replace(old, new) if old else text, encoding="utf-8")
        with sandbox.build_all_defs() as definitions:
            yield definitions


def chain(error: BaseException | None) -> str:
    """What Dagster prints: the error and its causes."""
    return "" if error is None else f"{error}\n{chain(error.__cause__)}"


def test_dagster_loads_the_same_product_as_the_catalogue(tmp_path: Path) -> None:
    settings = load_settings({"MLOPS_HOME": str(tmp_path)}, working_directory=tmp_path)
    resources = dg.Definitions(resources=platform_resources(settings))
    catalogued = product_definitions(load_product(FRAUD.name))
    with loaded() as definitions:
        found, expected = (describe(dg.Definitions.merge(d, resources)) for d in (definitions, catalogued))
    assert found == expected


@pytest.mark.parametrize(
    ("old", "new", "named_at", "told"),
    [
        ("  pii: true", "  personal: true", "  pii: true", "personal"),
        ("    window_days: 7", "    windows: 7", "    window_days: 7", "monitoring.windows"),
        ("    window_days: 7", "    window_days: week", "    window_days: 7", "monitoring.window_days"),
        # Of a section that is one of two kinds, Dagster knows the first line only; the catalogue names the key's.
        ("    train_days: 30", "    training_days: 30", "  split:", "training_days"),
    ],
)
def test_a_wrong_key_is_named_by_dagster_with_file_and_line(
    old: str, new: str, named_at: str, told: str
) -> None:
    text = (FRAUD / "defs.yaml").read_text(encoding="utf-8")
    line = text[: text.index(named_at)].count("\n") + 1
    with pytest.raises(Exception) as raised, loaded(old=old, new=new):
        pass
    message = chain(raised.value)
    assert f"defs.yaml:{line}" in message
    assert told in message


def test_the_component_is_found_by_its_type() -> None:
    assert ModelProduct.get_model_cls() is type(load_product(FRAUD.name).spec)
