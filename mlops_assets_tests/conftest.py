"""What holds for every test: quiet libraries, sleeping threads, and property tests that are not judged by time."""

import os
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from mlops_assets.core.runtime.threads import let_waiting_threads_sleep

if TYPE_CHECKING:
    from mlops_assets_tests.support.homes.small_home import SmallHome
    from mlops_assets_tests.support.homes.small_registry import SmallRegistry

# Read once, when the native libraries are loaded: before any test module imports them.
let_waiting_threads_sleep()
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
os.environ.setdefault("DO_NOT_TRACK", "1")

# A shared machine decides how long an example takes.
settings.register_profile("shared_machine", deadline=None)
settings.load_profile("shared_machine")


@pytest.fixture(scope="session")
def ingested_home(tmp_path_factory: pytest.TempPathFactory) -> "SmallHome":
    """Two months of a small fraud product, backfilled by month up to its features; only to be read or copied."""
    from mlops_assets_tests.support.homes import small_home

    home = small_home.SmallHome(tmp_path_factory.mktemp("ingested") / "home", small_home.small_product())
    first_month = small_home.FIRST_MONTH
    home.materialize(*small_home.INGEST, days=first_month)
    home.materialize(*small_home.INGEST, days=(first_month[1] + timedelta(days=1), small_home.LAST_DAY))
    return home


@pytest.fixture(scope="session")
def released_home(ingested_home: "SmallHome", tmp_path_factory: pytest.TempPathFactory) -> "SmallHome":
    """The same, with a released model, scores of the days after it, and reports; only to be read or copied."""
    from mlops_assets_tests.support.homes import small_home

    home = ingested_home.copy(tmp_path_factory.mktemp("released") / "home")
    home.materialize(*small_home.RETRAIN, as_of=small_home.AS_OF)
    home.materialize(*small_home.SCORE, days=(small_home.AS_OF, small_home.LAST_DAY))
    home.materialize(*small_home.REPORTS, days=(small_home.LAST_DAY - timedelta(days=1), small_home.LAST_DAY))
    return home


@pytest.fixture(scope="session")
def original_registry(tmp_path_factory: pytest.TempPathFactory) -> "SmallRegistry":
    """A registry with four versions and no plan; only to be read or copied."""
    from mlops_assets_tests.support.homes.small_registry import make_small_registry

    return make_small_registry(tmp_path_factory.mktemp("small_registry") / "mlflow")


@pytest.fixture(autouse=True)
def mirrored_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands bring MLflow up to a change before they end, in this process, which has loaded it already."""
    monkeypatch.setattr(
        "mlops_assets.commands.release.mirror_in_background", lambda control, product: control.repair(product)
    )
