"""Release and rollback where the registry is an MLflow server, and the follower of such a registry."""

import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlops_assets import cli
from mlops_assets.catalogue import load_product
from mlops_assets.commands.doctor.releases import release_checks
from mlops_assets.commands.mirror import mirror_in_background
from mlops_assets.core.errors import RegistryError
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.registry.mlflow_client import mlflow_client
from mlops_assets.core.registry.tag_names import DIGEST_TAG
from mlops_assets.core.registry.tags_mlflow import MlflowRegistryTags
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.release.plan import Arm
from mlops_assets.core.serving.host.snapshot import ServingSnapshot, snapshot_file
from mlops_assets_tests.support.homes.small_registry import (
    NOON,
    PRODUCT,
    VIEW,
    SmallRegistry,
    make_small_registry,
)
from mlops_assets_tests.support.processes.mlflow_server import MlflowServer
from serving.plan_follower import PlanFollower

pytestmark = pytest.mark.rehearsal

PATIENCE = tuple(f"MLFLOW_HTTP_REQUEST_{name}" for name in ("MAX_RETRIES", "BACKOFF_FACTOR", "TIMEOUT"))
WHO = ("--by", "ann", "--reason", "because")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    server = MlflowServer(tmp_path_factory.mktemp("server")).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def small(server: MlflowServer) -> SmallRegistry:
    """Version 1 is released, version 2 may be."""
    small = make_small_registry(server.folder, server=server.url, versions=2)
    small.release(1)
    small.decide("approved", 2)
    return small


def run(small: SmallRegistry, *arguments: str, uri: str | None = None) -> str:
    """Output of a command that succeeds; its error is raised."""
    environment = {
        "MLOPS_HOME": str(small.root),
        "COLUMNS": "200",
        "MLFLOW_TRACKING_URI": uri or small.uri,
    }
    result = CliRunner().invoke(cli.app, list(arguments), env=environment)
    if result.exception is not None:
        raise result.exception
    return result.output


def followed(follower: PlanFollower, small: SmallRegistry) -> tuple[Arm, ...]:
    """What the follower installed, with the models that were registered."""
    assert follower.look(NOON).last_error is None
    snapshot = ServingSnapshot.read(snapshot_file(follower.serving_home, PRODUCT))
    for number, version in snapshot.versions.items():
        assert TrainedModel.load(version.folder) == small.models[number - 1]
    return snapshot.plan.arms


def test_a_release_and_its_rollback_over_http_are_followed(small: SmallRegistry, tmp_path: Path) -> None:
    follower = PlanFollower(PRODUCT, small.control, tmp_path, VIEW)
    assert followed(follower, small) == (Arm(1, 100, "champion"),)
    told = run(small, "release", PRODUCT, "2", "--mode", "canary", "--percent", "20", *WHO)
    assert "plan 2: canary: version 1 answers 80 %, version 2 answers 20 %" in told
    assert followed(follower, small) == (Arm(1, 80, "champion"), Arm(2, 20, "challenger"))
    told = run(small, "rollback", PRODUCT, *WHO)
    assert "plan 3: rollback: version 1 answers 100 %" in told
    assert "version 2: rejected" in told
    assert followed(follower, small) == (Arm(1, 100, "champion"),)
    assert MlflowRegistryTags(small.uri).model(PRODUCT).aliases == {"champion": 1}


@pytest.fixture
def away() -> Iterator[str]:
    """Where no server is."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listens
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize("command", [("release", PRODUCT, "2", *WHO), ("status", PRODUCT)])
def test_a_command_says_within_seconds_that_the_server_is_away(
    small: SmallRegistry, away: str, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PATIENCE:
        monkeypatch.setenv(name, "")  # so that what the command sets is undone
        monkeypatch.delenv(name)
    began = time.monotonic()
    with pytest.raises(RegistryError, match="does not answer"):
        run(small, *command, uri=away)
    assert time.monotonic() - began < 180, "MLflow's own patience is four minutes"


def test_a_rollback_needs_no_server_and_mlflow_is_brought_up_to_it_later(
    small: SmallRegistry, away: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    small.release(2)
    followed(PlanFollower(PRODUCT, small.control, tmp_path, VIEW), small)
    follower = PlanFollower(PRODUCT, ReleaseControl(small.tables_uri, away), tmp_path, VIEW)
    told = run(small, "rollback", PRODUCT, *WHO, uri=away)
    assert "version 1 answers 100 %" in told
    assert "Whether version 1 was deleted or edited there could not be checked" in told
    assert followed(follower, small) == (Arm(1, 100, "champion"),)
    assert "MLflow: the registry at" in run(small, "plan", PRODUCT, uri=away)
    registry = MlflowRegistryTags(small.uri)
    assert registry.model(PRODUCT).aliases == {"champion": 2}, "it was away"
    run(small, "plan", PRODUCT)
    assert registry.model(PRODUCT).aliases == {"champion": 1}


@pytest.fixture
def hanging() -> Iterator[str]:
    """A server that accepts, and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(50)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_a_rollback_waits_for_no_server_that_hangs_and_says_what_it_could_not_check(
    small: SmallRegistry, hanging: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlops_assets.commands.release.mirror_in_background", mirror_in_background)
    small.release(2)
    small.decide("approved", 2)
    began = time.monotonic()
    told = run(small, "rollback", PRODUCT, *WHO, uri=hanging)
    seconds = time.monotonic() - began
    assert "version 1 answers 100 %" in told
    assert f"warning: the registry at {hanging} did not answer within 2 s" in told
    assert "Whether version 1 was deleted or edited there could not be checked" in told
    assert small.standing().champion.version == 1
    assert seconds < 20, "MLflow's client waits ten seconds three times"


def test_what_is_deleted_or_edited_behind_a_server_is_told_alike_and_enters_no_plan(
    server: MlflowServer, tmp_path: Path
) -> None:
    """Last, since the registry is the module's: version 1 is deleted."""
    small = SmallRegistry(tmp_path, load_product(PRODUCT), server.url)
    shutil.copytree(server.folder / "tables", tmp_path / "tables")
    assert small.standing().champion.version == 1
    mlflow_client(server.url).set_model_version_tag(PRODUCT, "1", DIGEST_TAG, "0" * 64)
    edited = "MLflow: digest of version 1, the champion, was edited there by hand"
    for command in ("plan", "status"):
        assert edited in run(small, command, PRODUCT)
    (_, check) = release_checks(small.settings, PRODUCT)
    assert check.detail.startswith(edited)
    mlflow_client(server.url).delete_model_version(PRODUCT, "1")
    gone = "MLflow: version 1, the champion, was deleted there"
    for command in ("plan", "status"):
        assert gone in run(small, command, PRODUCT)
    (_, check) = release_checks(small.settings, PRODUCT)
    assert check.detail.startswith(gone)
    with pytest.raises(RegistryError, match=r"no version 1 any more, it was deleted in MLflow \(it has 2\)"):
        run(small, "release", PRODUCT, "1", *WHO)
    small.decide("approved", 2)
    small.release(2)
    with pytest.raises(RegistryError, match="no version 1 any more"):
        run(small, "rollback", PRODUCT, *WHO)
    assert small.standing().champion.version == 2
