"""A home in which two versions of fraud detection answer side by side: registry, tables and captured predictions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from mlops_assets.catalogue import load_product
from mlops_assets.core.canary.evidence import CAPTURED
from mlops_assets.core.registry.tag_names import THRESHOLD_TAG, TRAINING_SET_TAG
from mlops_assets.core.release.plan import Arm, ReleasePlan
from mlops_assets.core.release.routing import Router
from mlops_assets.core.serving.prediction_record import PredictionRecord, ServedRole
from mlops_assets_tests.support.homes.home import COMMIT, Home
from mlops_assets_tests.support.small_model import small_model, small_rows

PRODUCT = "fraud_detection"
RELEASED_AT = datetime(2026, 3, 1, tzinfo=UTC)
BEGAN_AT = RELEASED_AT + timedelta(days=1)
THRESHOLD = 0.5


@dataclass(frozen=True)
class CanaryHome(Home):
    """Version 1 released, version 2 with half of the entities since BEGAN_AT."""

    plans: tuple[ReleasePlan, ...] = ()


def make_canary_home(folder: Path) -> CanaryHome:
    """Register two models, write their training set and the release plans; nothing is captured yet."""
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
    home = CanaryHome(folder, load_product(PRODUCT), plans=plans)
    rows = small_rows(3_000).rename({"id": "transaction_id"}).with_columns(split=pl.lit("test"))
    rows = rows.with_columns(event_timestamp=RELEASED_AT + pl.duration(seconds="transaction_id"))
    home.write("training_set", rows)
    customer = pl.col("transaction_id") % 700
    events = rows.select("transaction_id", customer_id=customer, known_at=pl.col("event_timestamp"))
    home.write("events", events)
    training_set = str(home.tables.version(PRODUCT, "training_set"))
    for seed in (0, 1):
        tags = {THRESHOLD_TAG: str(THRESHOLD), TRAINING_SET_TAG: training_set}
        home.register(small_model(seed=seed), tags=tags, verdicts=())
    home.put(*plans)
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
