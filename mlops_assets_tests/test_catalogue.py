"""Product folders are found and read; a wrong declaration is refused with file, line, key and what belongs there."""

from pathlib import Path

import pytest
import yaml

from mlops_assets.catalogue import PRODUCTS_FOLDER, assemble, load_product, product_names, read_spec
from mlops_assets.core.errors import ProductSpecError

FRAUD = PRODUCTS_FOLDER / "fraud_detection" / "defs.yaml"


def changed(folder: Path, old: str, new: str) -> tuple[Path, int]:
    """Fraud detection's declaration with one text replaced, and the line where it stands."""
    text = FRAUD.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path = folder / "defs.yaml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path, text[: text.index(old)].count("\n") + 1


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("  pii: true", "  personal: true", "personal: Extra inputs are not permitted"),
        ("    train_days: 30", "    training_days: 30", "split.training_days: Extra inputs are not permitted"),
        ("    train_days: 30", "    train_days: thirty", "split.train_days: Input should be a valid integer"),
        ("    window_days: 7", "    window_days: 0", "monitoring.window_days: .*greater than or equal to 1, found 0"),
        ("    approval: automatic", "    approval: perhaps", "release.approval: .*'manual', found 'perhaps'"),
        (
            "    - name: better_than_constant\n      metric: average_precision",
            "    - name: better_than_constant\n      metrics: average_precision",
            "gates.1.metrics: Extra inputs are not permitted",
        ),
    ],
    ids=["unknown key", "unknown key of a section", "type", "range", "choice", "key of an item"],
)  # fmt: skip
def test_a_wrong_key_or_value_is_named_with_file_and_line(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    path, line = changed(tmp_path, old, new)
    line += old.count("\n")
    with pytest.raises(ProductSpecError, match=rf"{path}:{line}: {told}"):
        read_spec(path)


def test_a_missing_key_is_named_with_its_section(tmp_path: Path) -> None:
    path, _ = changed(tmp_path, "  id_column: transaction_id\n", "")
    with pytest.raises(ProductSpecError, match=r"defs\.yaml:3: id_column: Field required"):
        read_spec(path)


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    path, _ = changed(
        tmp_path, "    window_days: 7\n    performance_drop: 0.1", "    window: 7\n    performance_drop: -1"
    )
    with pytest.raises(ProductSpecError) as raised:
        read_spec(path)
    assert len(str(raised.value).splitlines()) == 2


def test_sections_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    path, _ = changed(tmp_path, "    gap_days: 7", "    gap_days: 3")
    with pytest.raises(
        ProductSpecError, match=r"split\.gap_days \(3\) is shorter than label\.delay_days \(7\)"
    ):
        read_spec(path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("attributes: [", "is no valid YAML"),
        ("type: something\n", "needs the keys type and attributes"),
        ("", "needs the keys type and attributes"),
    ],
)
def test_a_file_that_is_no_declaration_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "defs.yaml"
    path.write_text(text)
    with pytest.raises(ProductSpecError, match=told):
        read_spec(path)


def test_every_product_is_found_and_loaded_once() -> None:
    assert set(product_names()) >= {"fraud_detection", "mortality_risk"}
    for name in product_names():
        assert load_product(name) is load_product(name)
        assert load_product(name).name == name


def test_an_unknown_product_is_refused_with_those_there_are() -> None:
    with pytest.raises(ProductSpecError, match=r"no product 'fraud': .*fraud_detection, mortality_risk"):
        load_product("fraud")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": "fraud"}, "name is 'fraud', but the folder is 'fraud_detection'"),
        ({"id_column": "customer_id"}, "id_column is customer_id, but the view's is transaction_id"),
        ({"model_features": ["amount"]}, "model_features: the view has no feature amount; it has amount_usd"),
        (
            {"label": {"column": "amount_usd", "description": "An amount.", "delay_days": 7}},
            "the label amount_usd is among the features",
        ),
    ],
)
def test_a_declaration_that_does_not_fit_the_folders_modules_is_refused(
    tmp_path: Path, changes: dict[str, object], told: str
) -> None:
    document = yaml.safe_load(FRAUD.read_text(encoding="utf-8"))
    document["attributes"] |= changes
    path = tmp_path / "defs.yaml"
    path.write_text(yaml.safe_dump(document))
    with pytest.raises(ProductSpecError, match=told):
        assemble(read_spec(path), folder=FRAUD.parent)
