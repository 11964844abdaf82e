"""What benchmarks/serving serves: one booster, the bento of it, the states of a history that ends now."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from mlops_assets.catalogue import load_product
from mlops_assets.core.bento.build import BuiltBento, build_bento
from mlops_assets.core.contracts.contract import event_columns
from mlops_assets.core.features.offline.executor import compute_features
from mlops_assets.core.features.online.layout import ALLOWED_LATENESS
from mlops_assets.core.features.online.states import build_states
from mlops_assets.core.model.calibration import fit_calibrator
from mlops_assets.core.model.trained_model import SplitCount, TrainedModel, feature_matrix
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.online_store.protocol import ABSENT, StateChange
from mlops_assets.core.product import Product, SourceContext

PRODUCT = "fraud_detection"
TREES, LEAVES = 300, 63
TRAINING_DAYS = 5
THRESHOLD = 0.05
STATES_PER_COMMIT = 1000


@dataclass(frozen=True)
class Served:
    """One booster and what answers with it."""

    product: Product
    model: TrainedModel
    bento: BuiltBento
    store_folder: Path
    vectors: np.ndarray
    """Ready feature vectors for the peers, shape (rows, features); NaN is missing."""


def prepare(folder: Path, *, customers: int, terminals: int, now: datetime) -> Served:
    """Simulate a history until `now`, fit a booster on its last days, pack it, and load the states."""
    product = load_product(PRODUCT)
    events, labels = _history(product, customers=customers, terminals=terminals, now=now)
    start = now - timedelta(days=TRAINING_DAYS)
    features = compute_features(product.view, events, labels, start=start)
    model, matrix = _fit(product, features, labels)
    bento = build_bento(product, model, version=1, threshold=THRESHOLD, bentoml_home=folder / "bentoml")
    _load_states(product, events, labels, folder / "home" / "online", now=now)
    return Served(product, model, bento, folder / "home" / "online", matrix[-1000:])


def _history(
    product: Product, *, customers: int, terminals: int, now: datetime
) -> tuple[pl.DataFrame, pl.DataFrame]:
    reach = product.view.lookback + ALLOWED_LATENESS
    first = (now - reach - timedelta(days=TRAINING_DAYS)).date()
    options = {
        **product.spec.source.options,
        "customers": customers,
        "terminals": terminals,
        "start_date": str(first),
        "days": (now.date() - first).days + 1,
    }
    source = product.spec.source.model_copy(update={"options": options})
    context = SourceContext(source, product.folder, product.folder)
    start = datetime.combine(first, time(), UTC)
    events = product.reader.events(context, start=start, end=now)
    # Labels of the last days become known after now; the booster is fitted on them all the same: only its size matters.
    labels = product.reader.labels(context, start=start, end=now + product.spec.label_delay)
    return events.select(event_columns(product.event_schema)), labels


def _fit(product: Product, features: pl.DataFrame, labels: pl.DataFrame) -> tuple[TrainedModel, np.ndarray]:
    import lightgbm

    key, label = product.spec.id_column, product.spec.label.column
    rows = features.join(labels.select(key, label), on=key, how="inner")
    matrix = feature_matrix(rows, product.model_features)
    outcome = rows[label].to_numpy().astype(np.float64)
    parameters = {
        "objective": "binary",
        "num_leaves": LEAVES,
        "min_data_in_leaf": 5,
        "verbose": -1,
        "num_threads": 1,
        "seed": 0,
        "deterministic": True,
    }
    booster = lightgbm.train(parameters, lightgbm.Dataset(matrix, outcome), num_boost_round=TREES)
    raw = np.asarray(booster.predict(matrix), dtype=np.float64)
    model = TrainedModel(
        booster_text=booster.model_to_string(),
        feature_names=product.model_features,
        label=label,
        calibrator=fit_calibrator(raw, outcome, choice="isotonic", seed=0),
        best_iteration=TREES,
        parameters=parameters,
        seed=0,
        splits={"train": SplitCount(rows=rows.height, positives=int(outcome.sum()))},
        validation_metric="binary_logloss",
        validation_curve=(),
    )
    return model, matrix


def _load_states(
    product: Product, events: pl.DataFrame, labels: pl.DataFrame, folder: Path, *, now: datetime
) -> None:
    store = open_online_store(str(folder), product.name)
    try:
        batch: list[StateChange] = []
        for key, content in build_states(product.view, events, labels, as_of=now):
            batch.append(StateChange(key, ABSENT, content))
            if len(batch) == STATES_PER_COMMIT:
                store.commit(batch, [])
                batch = []
        store.commit(batch, [])
    finally:
        store.close()
