"""A small home of their own for the failure drills: three released-ready versions, a bento, an online state, requests.

Made of the product's sample in a folder that goes afterwards; nothing of the user's is read or written.
"""

import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cached_property
from pathlib import Path

import polars as pl

from mlops_assets.catalogue import load_product
from mlops_assets.commands.drill.bad_models import sound
from mlops_assets.core.bento.build import BuiltBento, build_bento
from mlops_assets.core.contracts.contract import event_columns
from mlops_assets.core.errors import RegistryError
from mlops_assets.core.features.offline.executor import compute_features
from mlops_assets.core.features.online.states import build_states
from mlops_assets.core.model.golden_answers import answers_to_json, golden_answers
from mlops_assets.core.model.libraries import installed_libraries, libraries_to_json
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.online_store.protocol import ABSENT, OnlineStore, StateChange
from mlops_assets.core.product import Product
from mlops_assets.core.registry.artifacts import load_model, logged_model_id
from mlops_assets.core.registry.mlflow_client import mlflow_client
from mlops_assets.core.registry.registry import ModelRegistry
from mlops_assets.core.registry.tag_names import BENTO_TAG, GOLDEN_TAG, LIBRARIES_TAG, THRESHOLD_TAG, VIEW_TAG
from mlops_assets.core.registry.version import RecordedVerdict
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.release.record import TABLE
from mlops_assets.core.serving.prediction_record import PredictionRecord, decode_record
from mlops_assets.core.settings import Settings, load_settings
from mlops_assets.core.training.fit import fit
from mlops_assets.core.training.training_set import build_training_set

PRODUCT = "fraud_detection"
ROUNDS = (30, 20, 10)
"""Boosting rounds of versions 1, 2, …: models that differ and are small."""
THRESHOLD = 0.02
ENTITIES = 400
FIRST_ID = 10**15
_BLOCK = 1000


@dataclass(frozen=True)
class DrillHome:
    """One folder with everything that a service needs."""

    root: Path
    product: Product
    events: pl.DataFrame
    """History from which the online state was made."""
    labels: pl.DataFrame
    models: tuple[TrainedModel, ...]
    """Of versions 1, 2, …"""
    bento: BuiltBento
    """Of version 1."""
    online_store: str | None = None
    """URL of an online store elsewhere."""

    @cached_property
    def settings(self) -> Settings:
        """All folders below the root."""
        environment = {"MLOPS_HOME": str(self.root), "MLOPS_ONLINE_STORE": self.online_store or ""}
        return load_settings(environment, working_directory=self.root)

    @property
    def registry_file(self) -> Path:
        """MLflow's database."""
        return self.root / "mlflow.db"

    @property
    def record_folder(self) -> Path:
        """The table of the release record."""
        return Path(self.settings.tables_uri) / PRODUCT / TABLE

    @property
    def store_file(self) -> Path:
        """The online store's database."""
        return Path(self.settings.online_store) / f"{PRODUCT}.sqlite"

    @property
    def control(self) -> ReleaseControl:
        """What says and changes what is released."""
        return ReleaseControl.of(self.settings)

    @property
    def as_of(self) -> datetime:
        """The state holds what was known before."""
        return _as_of(self.events)

    def store(self) -> OnlineStore:
        """The online store, newly opened."""
        return open_online_store(self.settings.online_store, PRODUCT)

    def captured(self) -> list[PredictionRecord]:
        """Every captured prediction, oldest first."""
        return captured_in(self.store())

    def add_version(self, model: TrainedModel) -> int:
        """Register one more version that is ready for release, and put `model` in its place in the registry's storage.

        What the registry makes of a model it makes of a sound one, so that it may be one that kills whoever tries it.
        """
        registry, client = (
            ModelRegistry(self.settings.tracking_uri),
            mlflow_client(self.settings.tracking_uri),
        )
        experiment = client.get_experiment_by_name(PRODUCT)
        if experiment is None:
            raise RegistryError(f"the drill's registry has no experiment {PRODUCT}")
        run_id = client.create_run(experiment.experiment_id).info.run_id
        uri = registry.log_model(run_id, sound(self.models[0]))
        client.set_terminated(run_id)
        stored = client.get_logged_model(logged_model_id(uri)).artifact_location
        model.save(Path(stored.removeprefix("file://")) / "extra_files")
        tags = _tags(self.product, f"{PRODUCT}:v{model.digest[:12]}")
        version = registry.register(PRODUCT, uri, run_id, digest=model.digest, tags=tags)
        registry.write_verdicts(PRODUCT, version, [RecordedVerdict("drill", "pass", "made for a drill")])
        return version

    def model_of(self, version: int) -> TrainedModel:
        """Return the model of a version, also of one that a drill has added."""
        if version <= len(self.models):
            return self.models[version - 1]
        added = self.control.version(PRODUCT, version)
        return load_model(self.settings.tracking_uri, added.model_uri, digest=added.digest)

    def load_states(self) -> None:
        """Bring the history's states into the online store, which has none yet."""
        store = self.store()
        states = list(build_states(self.product.view, self.events, self.labels, as_of=self.as_of))
        for start in range(0, len(states), _BLOCK):
            block = states[start : start + _BLOCK]
            store.commit([StateChange(key, ABSENT, content) for key, content in block], [])
        store.close()

    def requests(self) -> Iterator[dict[str, object]]:
        """Yield new events without end: one a second on the events' own clock, of ENTITIES customers and terminals."""
        draw = random.Random(0)  # noqa: S311 (amounts of a drill are no secret)
        number = 0
        while True:
            at = self.as_of + timedelta(seconds=number)
            yield {
                "transaction_id": FIRST_ID + number,
                "event_timestamp": f"{at:%Y-%m-%dT%H:%M:%SZ}",
                "known_at": f"{at:%Y-%m-%dT%H:%M:%SZ}",
                "customer_id": draw.randrange(ENTITIES),
                "terminal_id": draw.randrange(ENTITIES),
                "amount_usd": round(draw.uniform(1, 300), 2),
            }
            number += 1


def captured_in(store: OnlineStore) -> list[PredictionRecord]:
    """Return every captured prediction of the store, oldest first, and close it."""
    records: list[PredictionRecord] = []
    with closing(store):
        after = ""
        while page := store.captured(after=after):
            records += [decode_record(record.content) for record in page]
            after = page[-1].position
    return records


def make_drill_home(root: Path) -> DrillHome:
    """Fit and register the versions, build the bento of the first, and load the online state."""
    product = load_product(PRODUCT)
    raw = product.sample(0)
    events = raw.events.select(event_columns(product.event_schema))
    models = _models(product, events, raw.labels)
    settings = load_settings({"MLOPS_HOME": str(root)}, working_directory=root)
    _register(product, models, settings)
    home = DrillHome(root, product, events, raw.labels, models, _bento(product, models[0], settings))
    home.load_states()
    return home


def _as_of(events: pl.DataFrame) -> datetime:
    """The midnight after the newest event."""
    newest = events.select(pl.col("event_timestamp").max().dt.date()).item()
    return datetime.combine(newest + timedelta(days=1), time(), UTC)


def _models(product: Product, events: pl.DataFrame, labels: pl.DataFrame) -> tuple[TrainedModel, ...]:
    features = compute_features(
        product.view, events.select(product.view.input_columns), labels.select(product.view.label_columns)
    )
    known = labels.select(pl.col("known_at").max().dt.date()).item()
    as_of = datetime.combine(known + timedelta(days=1), time(), UTC)
    rows = build_training_set(product, features=features, labels=labels, as_of=as_of)
    return tuple(
        fit(
            rows,
            feature_names=product.model_features,
            label=product.spec.label.column,
            training=product.spec.training.model_copy(update={"num_boost_round": rounds}),
            parameters={},
        )
        for rounds in ROUNDS
    )


def _register(product: Product, models: tuple[TrainedModel, ...], settings: Settings) -> None:
    registry, client = ModelRegistry(settings.tracking_uri), mlflow_client(settings.tracking_uri)
    experiment = client.create_experiment(product.name, artifact_location=settings.mlflow_artifacts_uri)
    for number, model in enumerate(models, start=1):
        run_id = client.create_run(experiment).info.run_id
        uri = registry.log_model(run_id, model)
        client.set_terminated(run_id)
        golden = {GOLDEN_TAG: answers_to_json(golden_answers(model))}
        tags = {**_tags(product, f"{product.name}:v{number}"), **golden}
        version = registry.register(product.name, uri, run_id, digest=model.digest, tags=tags)
        verdict = RecordedVerdict("drill", "pass", "made for a drill")
        registry.write_verdicts(product.name, version, [verdict])


def _tags(product: Product, bento: str) -> dict[str, str]:
    return {
        THRESHOLD_TAG: repr(THRESHOLD),
        VIEW_TAG: product.view.digest,
        LIBRARIES_TAG: libraries_to_json(installed_libraries()),
        BENTO_TAG: bento,
    }


def _bento(product: Product, model: TrainedModel, settings: Settings) -> BuiltBento:
    return build_bento(product, model, version=1, threshold=THRESHOLD, bentoml_home=settings.bentos)
