"""The product that docs/how-to/add-a-product.md builds is a working product."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest

from mlops_assets import products
from mlops_assets.catalogue import assemble, read_spec
from mlops_assets.components.model_product import product_definitions
from mlops_assets.core.contracts.contract import apply_contract
from mlops_assets.core.features.offline.executor import compute_features
from mlops_assets.core.product import Product
from mlops_assets.core.settings import load_settings
from mlops_assets.core.training.fit import fit
from mlops_assets.core.training.training_set import build_training_set
from mlops_assets.definitions import platform_resources
from mlops_assets_tests.support.documents.markdown_pages import ROOT, Page

PAGE = Page(ROOT / "docs/how-to/add-a-product.md")
FILES = ("schemas.py", "dataset.py", "features.py", "defs.yaml")


@pytest.fixture
def product(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Product:
    folder = tmp_path / "late_delivery"
    folder.mkdir()
    (folder / "__init__.py").touch()
    for name in FILES:
        (folder / name).write_text(PAGE.block(name), encoding="utf-8")
    monkeypatch.setattr(products, "__path__", [*products.__path__, str(tmp_path)])
    return assemble(read_spec(folder / "defs.yaml"), folder=folder)


def test_it_has_the_assets_and_jobs_of_every_product(product: Product, tmp_path: Path) -> None:
    settings = load_settings({"MLOPS_HOME": str(tmp_path)}, working_directory=tmp_path)
    resources = dg.Definitions(resources=dict(platform_resources(settings)))
    definitions = dg.Definitions.merge(product_definitions(product), resources)
    assert definitions.resolve_job_def("late_delivery__daily")
    assert dg.AssetKey(["late_delivery", "release"]) in definitions.resolve_asset_graph().get_all_asset_keys()


def test_its_sample_goes_from_the_file_to_a_model_that_learned_something(
    product: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = product.sample(0)
    write_sample(product.folder, monkeypatch)
    raw = product.read_events(cache=tmp_path)
    labels = product.read_labels(cache=tmp_path)
    assert raw.sort("order_id").equals(sample.events.select(raw.columns).sort("order_id"))

    judged = apply_contract(raw, product.event_schema, id_column="order_id", subject="late_delivery/events")
    assert judged.rejected.is_empty()
    features = compute_features(product.view, judged.accepted, labels)
    as_of = datetime(2024, 5, 2, tzinfo=UTC)
    known = labels.filter(pl.col("known_at") < as_of)
    rows = build_training_set(product, features=features, labels=known, as_of=as_of)
    model = fit(
        rows,
        feature_names=product.model_features,
        label="is_late",
        training=product.spec.training.model_copy(update={"num_boost_round": 50}),
        parameters={},
    )
    test = rows.filter(pl.col("split") == "test")
    late = test["is_late"].to_numpy() == 1
    scores = model.predict(test)
    assert np.mean(scores[late]) > np.mean(scores[~late]) + 0.03


def test_its_labels_are_read_by_the_day_on_which_they_became_known(
    product: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sample(product.folder, monkeypatch)
    start = datetime(2024, 2, 1, tzinfo=UTC)
    labels = product.read_labels(cache=tmp_path, start=start, end=start + timedelta(days=1))
    assert labels.height > 0
    assert labels["known_at"].is_between(start, start + timedelta(days=1), closed="left").all()


def write_sample(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the page's own script in a root whose products folder is the test's."""
    root = folder.parent / "root"
    (root / "mlops_assets").mkdir(parents=True)
    (root / "mlops_assets" / "products").symlink_to(folder.parent)
    monkeypatch.chdir(root)
    exec(compile(PAGE.block("write_sample.py"), "write_sample.py", "exec"), {})  # the page's own text
