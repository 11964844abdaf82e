"""A home of a test's own: what is stored for one product below one folder, filled as production fills it."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Self

import polars as pl

from mlops_assets.core.lakehouse.tables import DeltaTables
from mlops_assets.core.lakehouse.write import CommitInfo
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.online_store.protocol import OnlineStore
from mlops_assets.core.product import Product
from mlops_assets.core.registry.mlflow_client import mlflow_client
from mlops_assets.core.registry.registry import ModelRegistry
from mlops_assets.core.registry.version import RecordedVerdict
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.release.decision import DecisionKind
from mlops_assets.core.release.plan import Order, ReleasePlan, release
from mlops_assets.core.release.steps import decide_on
from mlops_assets.core.serving.prediction_record import PredictionRecord, encode_record
from mlops_assets.core.settings import Settings, load_settings
from mlops_assets_tests.support.homes.empty_registry import give_empty_registry
from mlops_assets_tests.support.homes.plans import write_plan

DECIDED_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
COMMIT = CommitInfo(run_id="test", code_version="1")
PASSED = RecordedVerdict("auc_floor", "pass", "0.9 >= 0.7")


@dataclass(frozen=True)
class Home:
    """Tables, registry, release record and online store of one product."""

    root: Path
    product: Product
    server: str | None = None
    """URL of the MLflow server before the registry; None: it is asked as a file."""

    def __post_init__(self) -> None:
        if self.server is None:
            give_empty_registry(self.file)

    @cached_property
    def settings(self) -> Settings:
        environment = {"MLOPS_HOME": str(self.root), "MLFLOW_TRACKING_URI": self.server or ""}
        return load_settings(environment, working_directory=self.root)

    @property
    def name(self) -> str:
        return self.product.name

    @property
    def uri(self) -> str:
        """Of the registry."""
        return self.settings.tracking_uri

    @property
    def file(self) -> Path:
        """MLflow's database."""
        return self.root / "mlflow.db"

    @property
    def tables_uri(self) -> str:
        return self.settings.tables_uri

    @property
    def tables(self) -> DeltaTables:
        return DeltaTables(self.settings.tables_uri)

    @property
    def registry(self) -> ModelRegistry:
        return ModelRegistry(self.uri)

    @property
    def control(self) -> ReleaseControl:
        return ReleaseControl(self.tables_uri, self.uri)

    def store(self) -> OnlineStore:
        """The online store, newly opened."""
        return open_online_store(self.settings.online_store, self.name)

    def write(self, noun: str, rows: pl.DataFrame) -> None:
        """Store a whole table."""
        self.tables.write(self.name, noun, rows, days=None, commit=COMMIT)

    def read(self, noun: str, **options: object) -> pl.DataFrame:
        return self.tables.read(self.name, noun, **options)  # pyright: ignore[reportArgumentType]

    def log_run(self, *, artifact: str | None = None) -> str:
        """A finished run in the product's experiment, with a text among its artifacts."""
        client = mlflow_client(self.uri)
        found = client.get_experiment_by_name(self.name)
        # Behind a server the artifacts are the server's too.
        place = self.settings.mlflow_artifacts_uri if self.server is None else None
        experiment = (
            found.experiment_id if found else client.create_experiment(self.name, artifact_location=place)
        )
        run_id = client.create_run(experiment).info.run_id
        if artifact is not None:
            client.log_text(run_id, artifact, "evidence.txt")
        client.set_terminated(run_id)
        return run_id

    def register(
        self,
        model: TrainedModel,
        *,
        tags: Mapping[str, str] | None = None,
        verdicts: Sequence[RecordedVerdict] = (PASSED,),
        run_id: str | None = None,
    ) -> int:
        """Log and register a model as the next version, with the verdicts of its gates."""
        run_id = run_id or self.log_run()
        registry = self.registry
        uri = registry.log_model(run_id, model)
        version = registry.register(self.name, uri, run_id, digest=model.digest, tags=dict(tags or {}))
        if verdicts:
            registry.write_verdicts(self.name, version, list(verdicts))
        return version

    def put(self, *plans: ReleasePlan) -> None:
        """Let plans stand, one after the other."""
        for plan in plans:
            write_plan(self.control, self.name, plan)

    def decide(
        self,
        kind: DecisionKind,
        version: int,
        *,
        by: str = "bob",
        reason: str = "looked",
        at: datetime = DECIDED_AT,
    ) -> None:
        """Record a person's decision about a version."""
        decide_on(self.control, self.name, version, kind, by=by, reason=reason, at=at)

    def standing(self) -> ReleasePlan:
        plan = self.control.standing(self.name)
        assert plan is not None
        return plan

    def release(self, version: int, order: Order | None = None) -> ReleasePlan:
        """Let the version answer everybody."""
        order = order or Order(datetime.now(UTC), "ann", "because")
        self.put(plan := release(self.control.standing(self.name), order, version=version))
        return plan

    def capture(self, records: Iterable[PredictionRecord]) -> None:
        """Put records into the online store, as services do."""
        with closing(self.store()) as store:
            assert store.commit([], [encode_record(record) for record in records])

    def copy(self, root: Path) -> Self:
        """A copy that a test may change; artifacts of MLflow, which are only read, stay with the original."""
        shutil.copytree(self.root, root, dirs_exist_ok=True)
        return replace(self, root=root)
