"""Captured predictions as a correct, or a skewed, service would have left them, made by the offline executor itself."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property

import numpy as np
import polars as pl

from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.parity.compare import ParityReport, compare
from mlops_assets.core.parity.replay import Replay, replay_of
from mlops_assets.products.fraud_detection.features import PUBLISHED
from mlops_assets.products.fraud_detection.simulator import Simulation, simulate_day

VIEW = FeatureView("published", "transaction_id", "event_timestamp", PUBLISHED)
FIRST_SERVED = datetime(2018, 5, 21, tzinfo=UTC)
DAYS = 55
Matrix = np.ndarray


class AddingModel:
    """Scores a vector by the sum of its features."""

    feature_names = VIEW.feature_names

    def predict_matrix(self, matrix: Matrix) -> Matrix:
        """A probability of no meaning."""
        return np.nan_to_num(matrix).sum(axis=1) * 1e-9


@dataclass(frozen=True)
class ServedRequests:
    """Two months of transactions at whole hours, so that ties and rows at a window's very end are common."""

    view: FeatureView = VIEW
    labels_known: Callable[[pl.Expr], pl.Expr] = field(default=lambda at: at)

    @cached_property
    def transactions(self) -> pl.DataFrame:
        """All of them, before and after FIRST_SERVED."""
        simulation = Simulation(customers=60, terminals=120, days=DAYS, radius=20)
        days = pl.concat([simulate_day(simulation, day) for day in range(DAYS)])
        return days.with_columns(pl.col("event_timestamp").dt.truncate("1h"))

    @cached_property
    def events(self) -> pl.DataFrame:
        """Events of the lakehouse and of requests, known as they happen."""
        columns = ("transaction_id", "event_timestamp", "customer_id", "terminal_id", "amount_usd")
        return self.transactions.select(*columns, known_at="event_timestamp")

    @property
    def labels(self) -> pl.DataFrame:
        """Outcomes, known a week later."""
        known = self.labels_known(pl.col("event_timestamp") + timedelta(days=7))
        return self.transactions.select("transaction_id", "is_fraud", known_at=known)

    @property
    def history(self) -> pl.DataFrame:
        """Events before the first request."""
        return self.events.filter(pl.col("event_timestamp") < FIRST_SERVED)

    @property
    def requests(self) -> pl.DataFrame:
        """Events that were served."""
        return self.events.filter(pl.col("event_timestamp") >= FIRST_SERVED)

    @property
    def replay(self) -> Replay:
        """What a correct service answers from."""
        return replay_of(self.view, self.history, self.requests, self.labels)

    def served(self, replay: Replay | None = None, ids: pl.Series | None = None) -> Matrix:
        """The vectors that a service answers which sees `replay`."""
        ids = self.requests["transaction_id"] if ids is None else ids
        return (replay or self.replay).vectors(ids, VIEW.feature_names)

    def captured(self, vectors: Matrix, scores: Matrix | None = None) -> pl.DataFrame:
        """The captured predictions with these vectors."""
        lists = [[None if value != value else value for value in row] for row in vectors.tolist()]
        scores = AddingModel().predict_matrix(vectors) if scores is None else scores
        return self.requests.select(
            "transaction_id",
            prediction_id=pl.format("v1-{}", "transaction_id"),
            event_date=pl.col("event_timestamp").dt.date(),
            model_version=pl.lit(1, pl.Int64),
            features=pl.Series(lists, dtype=pl.List(pl.Float64)),
            score=pl.Series(scores),
        )

    def report(self, vectors: Matrix, scores: Matrix | None = None) -> ParityReport:
        """Compare what was served with what the correct replay derives."""
        models = {1: AddingModel()}
        return compare(self.captured(vectors, scores), self.replay, models)  # pyright: ignore[reportArgumentType]

    def seen_with(self, **changes: object) -> Matrix:
        """The vectors of a service whose replay is changed in these fields."""
        return self.served(replace(self.replay, **changes))  # pyright: ignore[reportArgumentType]


def leading_diagnosis(requests: ServedRequests, vectors: np.ndarray) -> str:
    """The diagnosis of the feature that differs most often."""
    report = requests.report(vectors)
    assert not report.is_equal
    worst = report.rows.filter(pl.col("kind") == "feature").sort("different", descending=True)
    return str(worst["diagnosis"][0])
