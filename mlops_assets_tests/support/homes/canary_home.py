"""A home in which two versions of fraud detection answer side by side: registry, tables and captured predictions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from mlops_assets.core.canary.evidence import CAPTURED
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import CommitInfo
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.online_store.protocol import OnlineStore
from mlops_assets.core.registry.mlflow_client import mlflow_client
from mlops_assets.core.registry.registry import ModelRegistry
from mlops_assets.core.registry.tag_names import THRESHOLD_TAG, TRAINING_SET_TAG
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.release.plan import Arm, ReleasePlan
from mlops_assets.core.release.routing import Router
from mlops_assets.core.serving.prediction_record import PredictionRecord, ServedRole, encode_record
from mlops_assets.core.settings import Settings, load_settings
from mlops_assets_tests.support.plans import write_plan
from mlops_assets_tests.support.small_model import small_model, small_rows

PRODUCT = "fraud_detection"
RELEASED_AT = datetime(2026, 3, 1, tzinfo=UTC)
BEGAN_AT = RELEASED_AT + timedelta(days=1)
COMMIT = CommitInfo(run_id="test", code_version="1")
THRESHOLD = 0.5


@dataclass(frozen=True)
class CanaryHome:
    """Version 1 released, version 2 with half of the entities since BEGAN_AT."""

    folder: Path
    settings: Settings
    plans: tuple[ReleasePlan, ...]

    @property
    def tables(self) -> DeltaTables:
        return DeltaTables(self.settings.tables_uri)

    @property
    def control(self) -> ReleaseControl:
        return ReleaseControl.of(self.settings)

    def store(self) -> OnlineStore:
        return open_online_store(self.settings.online_store, PRODUCT)


def make_canary_home(folder: Path) -> CanaryHome:
    """Register two models, write their training set and the release plans; nothing is captured yet."""
    settings = load_settings({"MLOPS_HOME": str(folder)}, working_directory=folder)
    tables = DeltaTables(settings.tables_uri)
    rows = small_rows(3_000).rename({"id": "transaction_id"}).with_columns(split=pl.lit("test"))
    rows = rows.with_columns(event_timestamp=RELEASED_AT + pl.duration(seconds="transaction_id"))
    tables.write(PRODUCT, "training_set", rows, days=None, commit=COMMIT)
    events = rows.select("transaction_id", customer_id=pl.col("transaction_id") % 700)
    tables.write(PRODUCT, "events", events, days=None, commit=COMMIT)
    client = mlflow_client(settings.tracking_uri)
    client.create_experiment(PRODUCT, artifact_location=(folder / "artifacts").as_uri())
    registry = ModelRegistry(settings.tracking_uri)
    training_set = str(tables.version(PRODUCT, "training_set"))
    for seed in (0, 1):
        model = small_model(seed=seed)
        run_id = client.create_run(client.get_experiment_by_name(PRODUCT).experiment_id).info.run_id  # type: ignore[union-attr]
        client.set_terminated(run_id)
        tags = {THRESHOLD_TAG: str(THRESHOLD), TRAINING_SET_TAG: training_set}
        registry.register(PRODUCT, registry.log_model(run_id, model), run_id, digest=model.digest, tags=tags)
    plans = (
        ReleasePlan("blue_green", (Arm(1, 100, "champion"),), RELEASED_AT, "someone", "first", {}, 1, None),
        ReleasePlan(
            "canary",
            (Arm(1, 50, "champion"), Arm(2, 50, "challenger")),
            BEGAN_AT,
            "someone",
            "trial",
            {},
            2,
            None,
        ),
    )
    home = CanaryHome(folder, settings, plans)
    for plan in plans:
        write_plan(home.control, PRODUCT, plan)
    return home


def served(
    home: CanaryHome,
    *,
    sequence: int,
    requests: int,
    first_id: int = 0,
    errors: tuple[float, float] = (0.0, 0.0),
    seed: int = 0,
) -> list[PredictionRecord]:
    """Predictions within the hour after the plan's beginning, scored by the plan's own arms; rates of errors are those
    of (champion, challenger).
    """
    generator = np.random.default_rng(seed)
    plan = home.plans[sequence - 1]
    router = Router(PRODUCT, plan)
    rows = small_rows(requests, seed=seed + 100)
    scores = {arm.version: small_model(seed=arm.version - 1).predict(rows) for arm in plan.arms}
    began = int((plan.since + timedelta(seconds=30)).timestamp() * 1e6)
    records = []
    for index in range(requests):
        customer = int(generator.integers(0, 5_000))
        arm = router.arm(customer)
        has_failed = bool(generator.random() < errors[arm.role == "challenger"])
        score = float(scores[arm.version][index])
        at = began + int(index * 3.6e9 / requests)
        records.append(
            _record(
                first_id + index, customer, at, arm.version, arm.role, sequence, None if has_failed else score
            )  # type: ignore[arg-type]
        )
    return records


def _record(
    event_id: int, customer: int, at: int, version: int, role: ServedRole, sequence: int, score: float | None
) -> PredictionRecord:
    return PredictionRecord(
        prediction_id=f"v{version}-{event_id}-{sequence}",
        event_id=event_id,
        request={"transaction_id": event_id, "customer_id": customer},
        event_timestamp=at,
        known_at=at,
        received_at=at,
        version=version,
        role=role,
        plan_sequence=sequence,
        score=score,
        threshold=None if score is None else THRESHOLD,
        decision=None if score is None else int(score >= THRESHOLD),
        latency_seconds=0.002 + (event_id % 20) * 1e-4,
        error=None if score is not None else "RuntimeError: no memory",
    )


def capture(home: CanaryHome, records: Iterable[PredictionRecord]) -> None:
    """Put records into the online store, as services do."""
    store = home.store()
    assert store.commit([], [encode_record(record) for record in records])
    store.close()


def collect(home: CanaryHome, records: Sequence[PredictionRecord]) -> None:
    """Put records into the table, as the asset does that collects them."""
    utc = pl.Datetime("us", "UTC")
    frame = pl.DataFrame(
        {
            "prediction_id": [record.prediction_id for record in records],
            "transaction_id": [record.event_id for record in records],
            "request": [f'{{"customer_id":{record.request["customer_id"]}}}' for record in records],
            "received_at": pl.Series([record.received_at for record in records]).cast(utc),
            "model_version": [record.version for record in records],
            "role": [record.role for record in records],
            "plan_sequence": [record.plan_sequence for record in records],
            "score": [record.score for record in records],
            "decision": pl.Series([record.decision for record in records], dtype=pl.Int8),
            "latency_seconds": [record.latency_seconds for record in records],
            "error": pl.Series([record.error for record in records], dtype=pl.String),
        }
    )
    home.tables.append(PRODUCT, CAPTURED, frame, commit=COMMIT)
