"""A small registry on MLflow's SQLite: three versions that may be released and one of another feature view."""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.registry.mlflow_client import mlflow_client
from mlops_assets.core.registry.registry import ModelRegistry
from mlops_assets.core.registry.tag_names import BENTO_TAG, LIBRARIES_TAG, THRESHOLD_TAG, VIEW_TAG
from mlops_assets.core.registry.version import RecordedVerdict
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.release.decision import DecisionKind
from mlops_assets.core.release.plan import Order, ReleasePlan, release
from mlops_assets.core.release.steps import decide_on
from mlops_assets_tests.support.plans import write_plan
from mlops_assets_tests.support.small_model import small_model

PRODUCT = "fraud_detection"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
VIEW = "ab" * 32
LIBRARIES = '{"lightgbm":"4.6.0","polars":"1.44.2"}'
OTHER_VIEW_VERSION = 4
ORDER = Order(NOON, "ann", "because")


@dataclass(frozen=True)
class SmallRegistry:
    """A registry and a lakehouse in one folder; a copy may be changed, the artifacts stay with the original."""

    root: Path
    models: tuple[TrainedModel, ...]
    """Of version 1, 2, …"""
    server: str | None = None
    """URL of the MLflow server before it; None: it is asked as a file."""

    @property
    def uri(self) -> str:
        return self.server or f"sqlite:///{self.file}"

    @property
    def file(self) -> Path:
        return self.root / "mlflow.db"

    @property
    def registry(self) -> ModelRegistry:
        return ModelRegistry(self.uri)

    @property
    def control(self) -> ReleaseControl:
        return ReleaseControl(self.tables_uri, self.uri)

    @property
    def tables_uri(self) -> str:
        return str(self.root / "tables")

    def standing(self) -> ReleasePlan:
        plan = self.control.standing(PRODUCT)
        assert plan is not None
        return plan

    def release(self, version: int) -> ReleasePlan:
        """Let the version answer everybody."""
        plan = release(self.control.standing(PRODUCT), ORDER, version=version)
        write_plan(self.control, PRODUCT, plan)
        return plan

    def decide(self, kind: DecisionKind, version: int, *, by: str = "bob", reason: str = "looked") -> None:
        """Record a person's decision."""
        decide_on(self.control, PRODUCT, version, kind, by=by, reason=reason, at=NOON)

    def copy(self, root: Path) -> "SmallRegistry":
        root.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.file, root / "mlflow.db")
        if Path(self.tables_uri).is_dir():
            shutil.copytree(self.tables_uri, root / "tables")
        return SmallRegistry(root, self.models)


def make_small_registry(root: Path, *, server: str | None = None, versions: int = 4) -> SmallRegistry:
    """Versions 1 to 3 passed their gate and have a bento; version 4 was trained with another view.

    Behind a server the artifacts are the server's too.
    """
    root.mkdir(parents=True, exist_ok=True)
    small = SmallRegistry(root, tuple(small_model(seed=seed, rounds=6) for seed in range(versions)), server)
    client = mlflow_client(small.uri)
    location = (root / "artifacts").as_uri() if server is None else None
    experiment = client.create_experiment(PRODUCT, artifact_location=location)
    for number, model in enumerate(small.models, start=1):
        run_id = client.create_run(experiment).info.run_id
        uri = small.registry.log_model(run_id, model)
        tags = {
            THRESHOLD_TAG: repr(number / 10),
            VIEW_TAG: VIEW if number != OTHER_VIEW_VERSION else "cd" * 32,
            LIBRARIES_TAG: LIBRARIES,
            BENTO_TAG: f"{PRODUCT}:v{number}-{number:012d}",
        }
        client.set_terminated(run_id)
        version = small.registry.register(PRODUCT, uri, run_id, digest=model.digest, tags=tags)
        small.registry.write_verdicts(PRODUCT, version, [RecordedVerdict("auc_floor", "pass", "0.9 >= 0.7")])
    return small
