"""Bentos of the real products: a small model of the product's sample, and the package that serves it."""

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cache
from pathlib import Path

import polars as pl
import psutil

from mlops_assets.catalogue import load_product
from mlops_assets.core.bento.build import BuiltBento, build_bento
from mlops_assets.core.bento.server import HOME_VARIABLE
from mlops_assets.core.contracts.contract import event_columns
from mlops_assets.core.features.offline.executor import compute_features
from mlops_assets.core.identity.code_base import CodeBase
from mlops_assets.core.model.calibration import SigmoidCalibrator
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.product import Product
from mlops_assets.core.training.fit import fit
from mlops_assets.core.training.training_set import build_training_set

THRESHOLD = 0.02
ROUNDS = 30


@dataclass(frozen=True)
class SampledProduct:
    """A product with its sample's events and labels, and a model that was fitted on them."""

    product: Product
    events: pl.DataFrame
    labels: pl.DataFrame
    model: TrainedModel


@cache
def sampled_product(name: str, *, seed: int = 0) -> SampledProduct:
    """Fit the product's own model, with few trees, on its sample."""
    product = load_product(name)
    raw = product.sample(seed)
    events = raw.events.select(event_columns(product.event_schema))
    labels = raw.labels if product.view.needs_labels else None
    features = compute_features(product.view, events, labels)
    as_of = None
    if product.spec.time:
        last = raw.labels["known_at"].max()
        assert isinstance(last, datetime)
        as_of = datetime.combine(last.date() + timedelta(days=1), time(), UTC)
    model = fit(
        build_training_set(product, features=features, labels=raw.labels, as_of=as_of),
        feature_names=product.model_features,
        label=product.spec.label.column,
        training=product.spec.training.model_copy(update={"num_boost_round": ROUNDS}),
        parameters={},
    )
    return SampledProduct(product, events, raw.labels, model)


def product_bento(
    sampled: SampledProduct, bentoml_home: Path, *, version: int = 3, code: CodeBase | None = None
) -> BuiltBento:
    """Build, or find, the bento of a version."""
    return build_bento(
        sampled.product,
        sampled.model,
        version=version,
        threshold=THRESHOLD,
        bentoml_home=bentoml_home,
        code=code,
    )


def other_model(model: TrainedModel) -> TrainedModel:
    return model.with_calibrator(SigmoidCalibrator(slope=1.5, intercept=0.1))


def servers(home: Path) -> list[psutil.Process]:
    """All processes that serve from this home, orphans too."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(HOME_VARIABLE) == str(home) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found
