"""Serves a canary's requests with the platform's own serving code, and reads them back as the judge does.

Real are the routing, the features with their states, the capture of answers and failures in a SQLite store, the
collection into a Delta table and the reading of both. Simulated are the two models, the clock and the client, who sends
a request again that got a 5xx.
"""

import tempfile
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.canary.traffic import PRODUCT, START, THRESHOLD, Drawn, Harm, sigmoid
from mlops_assets.core.canary.canary import Canary, Step
from mlops_assets.core.canary.evidence import read_observations
from mlops_assets.core.canary.risk_set import Floats, Integers
from mlops_assets.core.errors import ServingError
from mlops_assets.core.features.expressions import col
from mlops_assets.core.features.online.event import Event
from mlops_assets.core.features.view import FeatureView, RowFeature, WindowFeature
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import CommitInfo
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.online_store.sqlite import SqliteOnlineStore
from mlops_assets.core.predictions.captured import LandingTable, collect_captured
from mlops_assets.core.product_spec import ProductSpec, Training
from mlops_assets.core.release.plan import Arm, ReleasePlan
from mlops_assets.core.serving.arms import LoadedVersion, ReleasedArms, ScoringArm
from mlops_assets.core.serving.outcome import ScoringRequest, UnansweredError
from mlops_assets.core.serving.prediction_record import ServedRole
from mlops_assets.core.serving.scoring import EventFacts, OnlineScoring
from mlops_assets.core.times import UTC_TIME
from mlops_assets.core.training.fit import fit

SPEC = ProductSpec.model_validate(
    {
        "name": PRODUCT,
        "title": "Simulated",
        "description": "Requests of a simulated canary.",
        "domain": "benchmarks",
        "owners": ["team:platform"],
        "id_column": "request_id",
        "entities": ["customer_id"],
        "time": {"start_date": "2026-03-01"},
        "source": {"kind": "simulated"},
        "label": {"column": "has_happened", "description": "drawn", "delay_days": 1},
        "split": {"kind": "time"},
        "gates": [{"name": "auc_floor", "metric": "auc", "minimum": 0.6}],
    }
)
VIEW = FeatureView(
    name=PRODUCT,
    id_column="request_id",
    event_timestamp="event_timestamp",
    features=(
        RowFeature("number", col("number"), "Place of the request among those that were drawn."),
        WindowFeature(
            "count_{window}", "events", "customer_id", "count", (timedelta(days=1),), "Requests in {window}."
        ),
    ),
)
BATCH = 200
"""Requests that share one commit, as in a worker under load."""
PATIENCE = timedelta(seconds=2)
"""After which a client who got a 5xx asks again."""
_COMMIT = CommitInfo(run_id="benchmark", code_version="1")
_LANDING = LandingTable(PRODUCT, "request_id", pl.Int64(), has_time=True)


def serve(drawn: Drawn, harm: Harm, canary: Canary) -> pl.DataFrame:
    """Return the canary's observations when its requests are served through all its steps."""
    simulation = _Simulation(drawn, harm, set())
    step_of = (drawn.hours * len(canary.steps) / 48).astype(np.int64)
    facts = EventFacts("request_id", "event_timestamp", "customer_id")
    with tempfile.TemporaryDirectory(prefix="canary-") as folder:
        tables, store = DeltaTables(folder), SqliteOnlineStore(Path(folder) / "online.sqlite")
        tables.write(PRODUCT, "labels", _labels(drawn), days=None, commit=_COMMIT)
        for number, step in enumerate(canary.steps):
            arms = _arms(canary, step, simulation)
            scoring = OnlineScoring(facts, store, arms, clock=simulation.clock)
            _serve_step(_events(drawn, np.flatnonzero(step_of == number)), scoring, simulation.forgiven)
            if number == len(canary.steps) - 2:  # what the last step answers still waits in the store
                deque(collect_captured(store, tables, _LANDING, commit=_COMMIT), maxlen=0)
        found = read_observations(SPEC, canary, tables=tables, store=store, now=START + timedelta(days=1000))
        store.close()
    return found


@dataclass
class _Simulation:
    """What the simulated models answer, and how long it takes them."""

    drawn: Drawn
    harm: Harm
    forgiven: set[int]
    """Requests that were sent again after a failure and do not fail again."""
    seconds: float = 0.0
    """The time that the newest answer took."""

    def __post_init__(self) -> None:
        self._champion = (
            sigmoid(self.drawn.log_odds[0]).tolist(),
            self.drawn.has_failed(0).tolist(),
            self.drawn.seconds.tolist(),
        )
        self._challenger = (
            sigmoid(self.drawn.log_odds[1] + self.harm.score_shift).tolist(),
            self.drawn.has_failed(1, self.harm.error_factor).tolist(),
            (self.drawn.seconds * self.harm.latency_factor).tolist(),
        )

    def score(self, role: ServedRole, number: int) -> float:
        scores, fails, seconds = self._champion if role == "champion" else self._challenger
        self.seconds = seconds[number]
        if fails[number] and number not in self.forgiven:
            raise MemoryError("simulated")
        return scores[number]

    def clock(self) -> float:
        return self.seconds


class _SimulatedArm(ScoringArm):
    """An arm whose model reads the number of the request, and answers what was drawn for it."""

    def __init__(self, loaded: LoadedVersion, role: ServedRole, simulation: _Simulation) -> None:
        super().__init__(loaded, role=role, names=VIEW.feature_names, view_digest=VIEW.digest)
        self._simulation = simulation

    def score(self, vector: Sequence[float | None]) -> float:
        return self._simulation.score(self.role, int(vector[0] or 0))


class _SimulatedArms(ReleasedArms):
    """The arms of a plan, with simulated models."""

    def __init__(self, plan: ReleasePlan, simulation: _Simulation) -> None:
        versions = {arm.version: LoadedVersion(arm.version, _any_model(), THRESHOLD) for arm in plan.arms}
        super().__init__(PRODUCT, VIEW, versions, plan=plan)
        self._simulated = {
            arm.role: _SimulatedArm(versions[arm.version], arm.role, simulation) for arm in plan.arms
        }
        self.champion = self._simulated["champion"]

    def route(self, entity: int | str) -> ScoringArm:
        return self._simulated[super().route(entity).role]


def _arms(canary: Canary, step: Step, simulation: _Simulation) -> _SimulatedArms:
    arms = (
        Arm(canary.champion, 100 - step.percent, "champion"),
        Arm(canary.challenger, step.percent, "challenger"),
    )
    plan = ReleasePlan("canary", arms, step.since, "benchmark", "simulated", {}, step.sequence, None)
    return _SimulatedArms(plan, simulation)


@cache
def _any_model() -> TrainedModel:
    """A model that reads all features; its score is replaced."""
    generator = np.random.default_rng(0)
    rows = pl.DataFrame(
        {name: generator.random(200) for name in VIEW.feature_names}
        | {"has_happened": generator.integers(0, 2, 200), "split": ["train", "validation"] * 100}
    )
    training = Training(num_boost_round=2, calibration="none", num_threads=1)
    return fit(
        rows,
        feature_names=VIEW.feature_names,
        label="has_happened",
        training=training,
        parameters={"min_data_in_leaf": 5},
    )


def _serve_step(events: Sequence[Event], scoring: OnlineScoring, forgiven: set[int]) -> None:
    """Ask for all events. Who gets a 5xx asks once more with the next batch, every other one in vain."""
    again: list[Event] = []
    for start in range(0, len(events) + BATCH, BATCH):
        forgiven.update(number for event in again if (number := int(event["number"])) % 2)  # type: ignore[arg-type]
        _unanswered(again, scoring, delay=PATIENCE)
        again = _unanswered(events[start : start + BATCH], scoring)


def _unanswered(
    batch: Sequence[Event], scoring: OnlineScoring, *, delay: timedelta = timedelta(0)
) -> list[Event]:
    late = int(delay.total_seconds() * 1e6)
    requests = [ScoringRequest([event], int(event["event_timestamp"]) + late) for event in batch]  # type: ignore[arg-type]
    found: list[Event] = []
    for event, outcome in zip(batch, scoring.answer(requests), strict=True):
        if isinstance(outcome, UnansweredError):
            found.append(event)
        elif isinstance(outcome, ServingError):
            raise outcome
    return found


def _events(drawn: Drawn, numbers: Integers) -> list[Event]:
    times = _microseconds(drawn.hours[numbers]).tolist()
    rows = zip(numbers.tolist(), times, drawn.entity[numbers].tolist(), strict=True)
    return [
        {"request_id": number, "event_timestamp": at, "customer_id": customer, "number": float(number)}
        for number, at, customer in rows
    ]


def _microseconds(hours: Floats) -> Integers:
    return int(START.timestamp() * 1e6) + (hours * 3.6e9).astype(np.int64)


def _labels(drawn: Drawn) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "request_id": np.arange(len(drawn.hours)),
            "has_happened": drawn.outcome.astype(np.int8),
            "known_at": pl.Series(_microseconds(drawn.known_hours)).cast(UTC_TIME),
        }
    )
