"""A registry that is gone is missed everywhere, and nothing makes an empty one in its place."""

from collections.abc import Callable
from contextlib import suppress
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from mlops_assets.commands.dev import run_dev
from mlops_assets.commands.doctor.check import Check, Checkup
from mlops_assets.commands.doctor.connections import tracking_checks
from mlops_assets.commands.doctor.releases import release_checkups
from mlops_assets.commands.product_status import product_status
from mlops_assets.commands.release_history import release_history
from mlops_assets.commands.serve import released_bento
from mlops_assets.core.errors import RegistryError, RegistryGoneError
from mlops_assets.core.registry.kept import require_kept
from mlops_assets.core.registry.mlflow_client import mlflow_client
from mlops_assets.core.release.control import ReleaseControl
from mlops_assets.core.settings import Settings, load_settings
from mlops_assets_tests.support.homes.small_registry import NOON, PRODUCT, SmallRegistry

Harm = Callable[[Path], object]


def delete(file: Path) -> None:
    file.unlink()


def truncate(file: Path) -> None:
    file.write_bytes(b"")


def damage(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:5_000])


@pytest.fixture
def settings(original_registry: SmallRegistry, tmp_path: Path) -> Settings:
    """Of a home with versions, of which the first is released."""
    small = original_registry.copy(tmp_path)
    small.release(1)
    mlflow_client(small.uri)
    return load_settings({"MLOPS_HOME": str(small.root)}, working_directory=small.root)


@pytest.fixture(params=[delete, truncate, damage], ids=lambda harm: harm.__name__)
def harmed(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    request.param(settings.home / "mlflow.db")
    return settings


def failed(checkup: Checkup) -> Check:
    return checkup.findings()[-1]


def test_everything_that_looks_at_it_says_that_it_is_gone_and_makes_none(harmed: Settings) -> None:
    file = harmed.home / "mlflow.db"
    left = file.read_bytes() if file.exists() else None
    looks: list[Callable[[], object]] = [
        lambda: mlflow_client(harmed.tracking_uri),
        lambda: ReleaseControl.of(harmed).newest(PRODUCT),
        lambda: ReleaseControl.of(harmed).repair(PRODUCT),
        lambda: product_status(harmed, PRODUCT, now=NOON),
        lambda: run_dev(
            harmed, dagster_port=0, mlflow_port=0, reports_port=0, console=Console(file=StringIO())
        ),
    ]
    for look in looks:
        with pytest.raises(
            RegistryGoneError, match=rf"the registry is gone: {file} .* Restore the file from a backup"
        ):
            look()
    tracking = Checkup("connections", "MLflow tracking", lambda: tracking_checks(harmed), "")
    (releases,) = release_checkups(harmed, (PRODUCT,))
    for finding in (failed(tracking), failed(releases)):
        assert finding.status == "failed"
        assert "the registry is gone" in finding.detail
    (problem,) = release_history(harmed, PRODUCT).mirror_problems
    assert "the registry is gone" in problem
    assert (file.read_bytes() if file.exists() else None) == left


def test_what_was_released_still_stands(harmed: Settings) -> None:
    plan = ReleaseControl.of(harmed).standing(PRODUCT)
    assert plan is not None
    assert plan.champion.version == 1
    with suppress(RegistryError):  # the small registry has no bento, which is another fault
        released_bento(harmed, PRODUCT)


def test_a_home_of_before_the_note_is_known_by_its_tables(settings: Settings) -> None:
    file = settings.home / "mlflow.db"
    file.with_name("mlflow.db.made").unlink()
    file.unlink()
    require_kept(settings.tracking_uri)
    (settings.home / "tables" / PRODUCT / "model_version").mkdir(parents=True)
    with pytest.raises(RegistryGoneError):
        require_kept(settings.tracking_uri)


def test_a_registry_that_is_restored_is_there_again(settings: Settings) -> None:
    file = settings.home / "mlflow.db"
    backup = file.read_bytes()
    file.unlink()
    with pytest.raises(RegistryGoneError):
        require_kept(settings.tracking_uri)
    file.write_bytes(backup)
    assert ReleaseControl.of(settings).newest(PRODUCT).version


@pytest.mark.parametrize("uri", ["http://127.0.0.1:1", "sqlite:///{}/fresh.db", "postgresql://127.0.0.1/x"])
def test_a_fresh_home_and_a_server_are_not_missed(uri: str, tmp_path: Path) -> None:
    require_kept(uri.format(tmp_path))
    assert list(tmp_path.iterdir()) == []
