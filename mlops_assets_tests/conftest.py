"""What holds for every test: quiet libraries, sleeping threads, and property tests that are not judged by time."""

import os
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from sqlalchemy import event
from sqlalchemy.engine import Engine

from mlops_assets.core.runtime.threads import let_waiting_threads_sleep
from mlops_assets_tests.support.homes.prepared import prepared

if TYPE_CHECKING:
    from mlops_assets_tests.support.homes.small_home import SmallHome
    from mlops_assets_tests.support.homes.small_registry import SmallRegistry

# Read once, when the native libraries are loaded: before any test module imports them.
let_waiting_threads_sleep()
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
os.environ.setdefault("DO_NOT_TRACK", "1")


@event.listens_for(Engine, "connect")
def _leave_it_to_the_system_when_sqlite_is_on_disk(connection: object, _record: object) -> None:
    """Dagster and MLflow would wait for the disk at each event; a killed process loses nothing without that."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


# A shared machine decides how long an example takes.
settings.register_profile("shared_machine", deadline=None)
settings.load_profile("shared_machine")


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """One folder for all workers of a run, for what `prepared` makes once."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.fixture(scope="session")
def ingested_home(run_folder: Path) -> "SmallHome":
    """Two months of a small fraud product, backfilled by month up to its features; only to be read or copied."""
    from mlops_assets_tests.support.homes import small_home

    def ingest(root: Path) -> None:
        home = small_home.SmallHome(root, small_home.small_product())
        first_month = small_home.FIRST_MONTH
        home.materialize(*small_home.INGEST, days=first_month)
        home.materialize(*small_home.INGEST, days=(first_month[1] + timedelta(days=1), small_home.LAST_DAY))

    return small_home.SmallHome(prepared(run_folder, "ingested", ingest), small_home.small_product())


@pytest.fixture(scope="session")
def judged_home(ingested_home: "SmallHome", run_folder: Path) -> "SmallHome":
    """The same, with one registered version and its verdicts; only to be read or copied."""
    from mlops_assets_tests.support.homes import small_home

    def judge(root: Path) -> None:
        ingested_home.copy(root).materialize(*small_home.CANDIDATE, as_of=small_home.AS_OF)

    return replace(ingested_home, root=prepared(run_folder, "judged", judge))


@pytest.fixture(scope="session")
def released_home(judged_home: "SmallHome", run_folder: Path) -> "SmallHome":
    """The same, with the version released, scores of the days after it, and reports; only to be read or copied."""
    from mlops_assets_tests.support.homes import small_home

    def release(root: Path) -> None:
        home = judged_home.copy(root)
        home.materialize("bento", "release")
        home.materialize(*small_home.SCORE, days=(small_home.AS_OF, small_home.LAST_DAY))
        home.materialize(
            *small_home.REPORTS, days=(small_home.LAST_DAY - timedelta(days=1), small_home.LAST_DAY)
        )

    return replace(judged_home, root=prepared(run_folder, "released", release))


@pytest.fixture(scope="session")
def bentos(run_folder: Path) -> Path:
    """BentoML's home with a bento of each product; only to be read or copied."""
    from mlops_assets.catalogue import product_names
    from mlops_assets_tests.support.homes.product_bento import product_bento, sampled_product

    def build(home: Path) -> None:
        for name in product_names():
            product_bento(sampled_product(name), home)

    return prepared(run_folder, "bentos", build)


@pytest.fixture(scope="session")
def original_registry(tmp_path_factory: pytest.TempPathFactory) -> "SmallRegistry":
    """A registry with four versions and no plan; only to be read or copied."""
    from mlops_assets_tests.support.homes.small_registry import make_small_registry

    return make_small_registry(tmp_path_factory.mktemp("small_registry") / "mlflow")


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """What a test keeps to its owner, in this process, the next one does not."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(autouse=True)
def mirrored_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands bring MLflow up to a change before they end, in this process, which has loaded it already."""
    monkeypatch.setattr(
        "mlops_assets.commands.release.mirror_in_background", lambda control, product: control.repair(product)
    )
