"""The home of `benchmarks.parity`: tables, two released versions, an online store, and the assets on them."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path

import dagster as dg
import polars as pl

from benchmarks.parity.stream import Request, Stream, event_versions, label_versions
from mlops_assets.automation.run_tags import day_range_tags
from mlops_assets.catalogue import load_product
from mlops_assets.components.model_product import product_definitions
from mlops_assets.core.errors import InvalidEventError
from mlops_assets.core.features.offline.executor import compute_features
from mlops_assets.core.features.online.states import build_states
from mlops_assets.core.features.view import FeatureView
from mlops_assets.core.lakehouse.day_range import DayColumn, DayRange
from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import CommitInfo
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.online_store.load import load_states
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.online_store.protocol import OnlineStore
from mlops_assets.core.product import Product
from mlops_assets.core.registry.mlflow_client import mlflow_client
from mlops_assets.core.registry.registry import ModelRegistry
from mlops_assets.core.release.plan import Arm, ReleasePlan
from mlops_assets.core.serving.arms import LoadedVersion, ReleasedArms
from mlops_assets.core.serving.scoring import EventFacts, OnlineScoring
from mlops_assets.core.settings import Settings, load_settings
from mlops_assets.core.times import MICROSECOND
from mlops_assets.core.training.fit import fit
from mlops_assets.definitions import platform_resources

FRAUD, COHORT = "fraud_detection", "mortality_risk"
COMMIT = CommitInfo(run_id="benchmark", code_version="benchmark")
TRAINED_DAYS = timedelta(days=7)
ROUNDS = (40, 15)
"""Boosting rounds of version 1, the champion, and version 2, the challenger of a canary."""
CANARY = ReleasePlan(
    mode="canary",
    arms=(Arm(1, 70, "champion"), Arm(2, 30, "challenger")),
    since=datetime(2018, 1, 1, tzinfo=UTC),
    by="benchmark",
    reason="two versions answer",
    evidence={},
    sequence=1,
    previous_champion=None,
)
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class ParityHome:
    """One product's home. Times and requests come from outside; nothing here reads a clock."""

    product: Product
    root: Path
    store_location: str | None = None
    """Where the online store is, if not in the home."""
    wrong_view: FeatureView | None = None
    """What a wrong service computes under the name of the product's view."""

    @cached_property
    def settings(self) -> Settings:
        """All folders below the home."""
        store = {"MLOPS_ONLINE_STORE": self.store_location} if self.store_location else {}
        return load_settings({"MLOPS_HOME": str(self.root), **store}, working_directory=self.root)

    @property
    def tables(self) -> DeltaTables:
        """The lakehouse."""
        return DeltaTables(self.settings.tables_uri)

    def store(self) -> OnlineStore:
        """The online store, newly opened; one per thread."""
        return open_online_store(self.settings.online_store, self.product.name)

    def scoring(self) -> OnlineScoring:
        """What answers requests, with both versions."""
        versions = {
            number: LoadedVersion(number, TrainedModel.load(self.root / "models" / str(number)), 0.5)
            for number in (1, 2)
        }
        view = self.wrong_view or self.product.view
        arms = ReleasedArms(self.product.name, view, versions, plan=CANARY)
        for arm in arms.arms:
            arm.view_digest = self.product.view.digest
        return OnlineScoring(EventFacts.of(self.product.view, self.product.spec.entities), self.store(), arms)

    def copy(self, root: Path) -> "ParityHome":
        """A copy of its own; MLflow's artifacts stay with the original."""
        shutil.copytree(self.root, root)
        return replace(self, root=root)

    def load_state(self, as_of: datetime) -> None:
        """Bring the online state up to what the lakehouse knew before `as_of`."""
        if self.wrong_view is not None:
            self._load_wrong(self.wrong_view, as_of)
            return
        op = f"{self.product.name}__online_features"
        self._materialize("online_features", config={"ops": {op: {"config": {"as_of": as_of.isoformat()}}}})

    def collect(self) -> pl.DataFrame:
        """Move what was captured into its table, and return the table."""
        self._materialize("served_predictions")
        return self.tables.read(self.product.name, "served_predictions")

    def parity(self, days: Sequence[date]) -> tuple[pl.DataFrame, dict[str, dg.MetadataValue], bool]:
        """Materialize the report of these days: its rows, its metadata, and whether the blocking check passed."""
        result = self._materialize("parity_report", days=(days[0], days[-1]) if days else None, raises=False)
        key = dg.AssetKey([self.product.name, "parity_report"])
        made = [event for event in result.get_asset_materialization_events() if event.asset_key == key]
        if not made:
            failures = [e.step_failure_data.error for e in result.all_events if e.is_step_failure]
            raise SystemExit(f"parity_report failed: {failures}")
        event = made[-1]
        metadata = dict(event.step_materialization_data.materialization.metadata)
        checks = {check.check_name: check.passed for check in result.get_asset_check_evaluations()}
        rows = self.tables.read(self.product.name, "parity_report")
        return rows, metadata, checks["served_features_match"]

    def _load_wrong(self, view: FeatureView, as_of: datetime) -> None:
        """Load the states of a view that no product can declare."""
        events, labels = (self.tables.read(self.product.name, noun) for noun in ("events", "labels"))
        store = self.store()
        for _ in load_states(store, view, build_states(view, events, labels, as_of=as_of)):
            pass
        store.close()

    def _materialize(
        self,
        noun: str,
        *,
        days: tuple[date, date] | None = None,
        config: Mapping[str, object] | None = None,
        raises: bool = True,
    ) -> dg.ExecuteInProcessResult:
        with dg.DagsterInstance.ephemeral() as instance:  # nobody asks what ran before
            return dg.materialize(
                list(product_definitions(self.product).assets or ()),  # pyright: ignore[reportArgumentType]
                selection=[dg.AssetKey([self.product.name, noun])],
                instance=instance,
                resources=platform_resources(self.settings),
                tags={} if days is None else day_range_tags(*days),
                run_config={**(config or {}), **QUIET},
                raise_on_error=raises,
            )


def fraud_home(root: Path, stream: Stream, *, store_location: str | None = None) -> ParityHome:
    """Store all that the lakehouse ever learns, each row from its own `known_at` on, and release two versions."""
    home = ParityHome(_product_of(stream), root, store_location)
    transactions = stream.transactions()
    events, labels = event_versions(transactions), label_versions(transactions)
    _write(home, "events", events.with_columns(event_date=pl.col("event_timestamp").dt.date()), "event_date")
    _write(home, "labels", labels.with_columns(known_date=pl.col("known_at").dt.date()), "known_date")
    start = midnight(stream.first_day)
    known = [frame.filter(pl.col("known_at") < start) for frame in (events, labels)]
    features = compute_features(
        home.product.view,
        known[0].select(home.product.view.input_columns),
        known[1].select(home.product.view.label_columns),
        start=start - timedelta(days=14) - TRAINED_DAYS,
        end=start - timedelta(days=14),
    )
    _release(home, features, known[1].unique("transaction_id", keep="first"))
    home.load_state(start + MICROSECOND)
    return home


def cohort_home(root: Path, *, rows: int, store_location: str | None = None) -> ParityHome:
    """Store the cohort's events and outcomes, and release two versions."""
    home = ParityHome(load_product(COHORT), root, store_location)
    key, samples, count = home.product.spec.id_column, [], 0
    while count < rows:
        raw = home.product.sample(len(samples))
        samples.append([frame.with_columns(pl.col(key) + count) for frame in (raw.events, raw.labels)])
        count += raw.events.height
    events, labels = (pl.concat(frames).filter(pl.col(key) < rows) for frames in zip(*samples, strict=True))
    home.tables.write(home.product.name, "events", events, days=None, commit=COMMIT)
    _release(
        home,
        compute_features(home.product.view, events.select(home.product.view.input_columns), None),
        labels,
    )
    return home


def midnight(day: date) -> datetime:
    """First instant of the UTC day."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@dataclass(frozen=True)
class Answered:
    """What a service said to some requests."""

    prediction_ids: list[str]
    """Acknowledged, one per event, those that were sent twice included."""
    refused: int = 0
    """Requests with an event that cannot be."""

    def __add__(self, other: "Answered") -> "Answered":
        """Both together."""
        return Answered(self.prediction_ids + other.prediction_ids, self.refused + other.refused)


def answer(scoring: OnlineScoring, requests: Sequence[Request]) -> Answered:
    """Score the requests one after another."""
    ids, refused = [], 0
    for request in requests:
        try:
            records = scoring.score(request.events, received_at=request.received_at)
        except InvalidEventError:
            refused += 1
        else:
            ids += [record.prediction_id for record in records]
    return Answered(ids, refused)


def _product_of(stream: Stream) -> Product:
    """Fraud detection on the stream's days."""
    product, simulation = load_product(FRAUD), stream.simulation
    time = product.spec.time
    if time is None:
        raise SystemExit(f"{FRAUD} has lost its time axis, which this benchmark is about")
    end = simulation.start_date + timedelta(days=simulation.days + 10)
    changed = time.model_copy(update={"start_date": simulation.start_date, "end_date": end})
    return replace(product, spec=product.spec.model_copy(update={"time": changed}))


def _write(home: ParityHome, table: str, rows: pl.DataFrame, column: DayColumn) -> None:
    first, last = rows[column].min(), rows[column].max()
    days = DayRange(first, last + timedelta(days=1), column)  # pyright: ignore[reportArgumentType,reportOperatorIssue]
    home.tables.write(home.product.name, table, rows, days=days, commit=COMMIT)


def _release(home: ParityHome, features: pl.DataFrame, labels: pl.DataFrame) -> None:
    """Fit and register two versions, and keep a copy of each for the workers."""
    spec = home.product.spec
    rows = features.join(
        labels.select(spec.id_column, spec.label.column), on=spec.id_column, how="inner"
    ).with_columns(
        split=pl.when(pl.int_range(pl.len()) % 3 == 0).then(pl.lit("validation")).otherwise(pl.lit("train"))
    )
    registry, client = ModelRegistry(home.settings.tracking_uri), mlflow_client(home.settings.tracking_uri)
    experiment = client.create_experiment(
        home.product.name, artifact_location=(home.root / "mlartifacts").as_uri()
    )
    for number, rounds in enumerate(ROUNDS, start=1):
        model = fit(
            rows,
            feature_names=home.product.model_features,
            label=spec.label.column,
            training=spec.training.model_copy(update={"num_boost_round": rounds}),
            parameters={"min_data_in_leaf": 20},
        )
        model.save(home.root / "models" / str(number))
        run_id = client.create_run(experiment).info.run_id
        uri = registry.log_model(run_id, model)
        client.set_terminated(run_id)
        registry.register(home.product.name, uri, run_id, digest=model.digest)
