"""Retention of runs over a real MLflow on SQLite."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from mlflow import MlflowClient

from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.registry.artifacts import log_model
from mlops_assets.core.registry.mlflow_client import mlflow_client
from mlops_assets.core.registry.run_retention import OldRun, apply_run_retention, plan_run_retention
from mlops_assets_tests.support.homes.empty_registry import give_empty_registry
from mlops_assets_tests.support.small_model import small_model

NOW = datetime(2026, 6, 1, tzinfo=UTC)
KEEP_DAYS = 30


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    give_empty_registry(folder / "mlflow.db")
    return folder


@pytest.fixture(scope="module")
def client(home: Path) -> MlflowClient:
    return mlflow_client(f"sqlite:///{home}/mlflow.db")


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    return small_model()


@pytest.fixture
def product(request: pytest.FixtureRequest, client: MlflowClient, home: Path) -> Iterator[str]:
    """A product of this test's own, with the experiments of itself and of a variant."""
    name = f"p{abs(hash(request.node.name)) % 10**9}"
    for experiment in (name, f"{name}.with_more", f"{name}_other"):
        client.create_experiment(experiment, artifact_location=(home / "artifacts" / experiment).as_uri())
    yield name


def run(client: MlflowClient, experiment: str, *, days_ago: float, is_ended: bool = True) -> str:
    at = int((NOW - timedelta(days=days_ago)).timestamp() * 1000)
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    run_id = client.create_run(found.experiment_id, start_time=at).info.run_id
    if is_ended:
        client.set_terminated(run_id, "FINISHED", end_time=at)
    return run_id


def planned(client: MlflowClient, product: str, protected: tuple[str, ...] = ()) -> tuple[OldRun, ...]:
    return plan_run_retention(client.tracking_uri, product, now=NOW, keep_days=KEEP_DAYS, protected=protected)


def test_old_runs_of_the_product_and_its_variants_go_oldest_first(client: MlflowClient, product: str) -> None:
    old = run(client, product, days_ago=31)
    run(client, product, days_ago=29)
    older = run(client, f"{product}.with_more", days_ago=60)
    run(client, f"{product}_other", days_ago=60)
    assert [entry.run_id for entry in planned(client, product)] == [older, old]
    assert planned(client, product)[1].ended_at == NOW - timedelta(days=31)


def test_a_run_that_a_kill_left_running_goes_by_its_start(client: MlflowClient, product: str) -> None:
    killed = run(client, product, days_ago=31, is_ended=False)
    run(client, product, days_ago=1, is_ended=False)
    assert [entry.run_id for entry in planned(client, product)] == [killed]


def test_a_run_is_kept_by_its_id_or_by_the_model_that_it_made(
    client: MlflowClient, product: str, model: TrainedModel
) -> None:
    by_id, by_model = (run(client, product, days_ago=40) for _ in range(2))
    uri = log_model(client.tracking_uri, by_model, model)
    assert len(planned(client, product)) == 2
    assert planned(client, product, protected=(by_id, uri)) == ()


def test_deleting_takes_the_logged_model_along_can_be_undone_and_may_be_repeated(
    client: MlflowClient, product: str, model: TrainedModel
) -> None:
    run_id = run(client, product, days_ago=40)
    log_model(client.tracking_uri, run_id, model)
    client.log_text(run_id, "12345", "folder/note.txt")
    old = planned(client, product)
    location = client.get_logged_model(old[0].model_ids[0]).artifact_location
    files = [file for file in Path(location.removeprefix("file://")).rglob("*") if file.is_file()]
    assert old[0].size_bytes == 5 + sum(file.stat().st_size for file in files)
    apply_run_retention(client.tracking_uri, old)
    assert planned(client, product) == ()
    assert client.get_run(run_id).info.lifecycle_stage == "deleted"
    experiment = client.get_experiment_by_name(product)
    assert experiment is not None
    assert client.search_logged_models([experiment.experiment_id]) == []
    client.restore_run(run_id)
    assert [entry.run_id for entry in planned(client, product)] == [run_id]


def test_mlflow_gc_frees_the_files_of_what_was_deleted(
    client: MlflowClient, product: str, model: TrainedModel, home: Path
) -> None:
    run_id = run(client, product, days_ago=40)
    log_model(client.tracking_uri, run_id, model)
    client.log_text(run_id, "12345", "note.txt")
    kept = run(client, product, days_ago=1)
    client.log_text(kept, "12345", "note.txt")
    apply_run_retention(client.tracking_uri, planned(client, product))
    store = ["--backend-store-uri", client.tracking_uri, "--tracking-uri", client.tracking_uri]
    subprocess.run([sys.executable, "-m", "mlflow", "gc", *store], check=True, capture_output=True)
    files = [file for file in (home / "artifacts" / product).rglob("*") if file.is_file()]
    assert [file.relative_to(home / "artifacts" / product).parts[0] for file in files] == [kept]
