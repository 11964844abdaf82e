"""Two versions of mortality_risk that are ready, and the bento of the first, from the product's synthetic sample."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from mlops_assets.catalogue import load_product
from mlops_assets.core.bento.build import BuiltBento, build_bento
from mlops_assets.core.bento.golden_requests import example_event
from mlops_assets.core.features.offline.executor import compute_features
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.product import Product
from mlops_assets.core.registry.mlflow_client import mlflow_client
from mlops_assets.core.registry.registry import ModelRegistry
from mlops_assets.core.registry.tag_names import BENTO_TAG, THRESHOLD_TAG, VIEW_TAG
from mlops_assets.core.registry.version import RecordedVerdict
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.release.plan import Order
from mlops_assets.core.release.steps import decide_on, put_into_plan
from mlops_assets.core.training.fit import fit

PRODUCT = "mortality_risk"
THRESHOLD = 0.5


@dataclass(frozen=True)
class SetUp:
    """What is served and asked."""

    control: ReleaseControl
    bento: BuiltBento
    event: Mapping[str, object]

    def forgive(self) -> None:
        """Approve version 2 again, which the rollback rejected."""
        approve(self.control, 2, reason="to be released again")


def approve(control: ReleaseControl, version: int, *, reason: str) -> None:
    """Approve a version in the benchmark's name."""
    decide_on(control, PRODUCT, version, "approved", by="benchmark", reason=reason, at=datetime.now(UTC))


def set_up(home: Path) -> SetUp:
    """Register both versions below `home`, release the first and build its bento."""
    product = load_product(PRODUCT)
    tracking_uri = f"sqlite:///{home / 'mlflow.db'}"
    home.mkdir(parents=True)
    models = [_fitted(product, seed) for seed in (0, 1)]
    control = ReleaseControl(str(home / "tables"), tracking_uri)
    for model in models:
        approve(control, _register(product, model, tracking_uri, home), reason="to measure it")
    order = Order(since=datetime.now(UTC), by="benchmark", reason="to be served")
    put_into_plan(control, control.version(PRODUCT, 1), mode="blue_green", order=order, approval="automatic")
    return SetUp(control, _built(product, models[0], home / "bentoml"), example_event(product))


def _fitted(product: Product, seed: int) -> TrainedModel:
    raw = product.sample(seed)
    rows = compute_features(product.view, raw.events, None).join(raw.labels, on=product.spec.id_column)
    split = pl.Series(["validation" if number % 4 == 0 else "train" for number in range(rows.height)])
    return fit(
        rows.with_columns(split=split),
        feature_names=product.model_features,
        label=product.spec.label.column,
        training=product.spec.training.model_copy(update={"num_boost_round": 50}),
        parameters={},
    )


def _register(product: Product, model: TrainedModel, tracking_uri: str, home: Path) -> int:
    client, registry = mlflow_client(tracking_uri), ModelRegistry(tracking_uri)
    experiment = client.get_experiment_by_name(PRODUCT)
    experiment_id = (
        experiment.experiment_id
        if experiment is not None
        else client.create_experiment(PRODUCT, artifact_location=(home / "mlartifacts").as_uri())
    )
    run_id = client.create_run(experiment_id).info.run_id
    tags = {
        THRESHOLD_TAG: repr(THRESHOLD),
        VIEW_TAG: product.view.digest,
        BENTO_TAG: f"{PRODUCT}:benchmark",
    }
    uri = registry.log_model(run_id, model)
    version = registry.register(PRODUCT, uri, run_id, digest=model.digest, tags=tags)
    verdicts = [
        RecordedVerdict(gate.name, "pass", "not judged by this benchmark") for gate in product.spec.gates
    ]
    registry.write_verdicts(PRODUCT, version, verdicts)
    return version


def _built(product: Product, model: TrainedModel, bentoml_home: Path) -> BuiltBento:
    return build_bento(product, model, version=1, threshold=THRESHOLD, bentoml_home=bentoml_home)
