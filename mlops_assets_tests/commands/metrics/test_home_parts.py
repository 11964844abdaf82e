"""All numbers of a home: what a scrape costs, and that a broken part hides none of the others."""

import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import pytest

from mlops_assets.catalogue import load_product
from mlops_assets.commands.metrics.home_parts import declared_names, home_parts
from mlops_assets.core.alerts.outbox import FILE
from mlops_assets.core.exporter import parts as looked_at
from mlops_assets_tests.support.exporter import numbers
from mlops_assets_tests.support.homes.small_home import FRAUD, SmallHome

LONGEST_SCRAPE_SECONDS = 0.5


@pytest.fixture
def home(released_home: SmallHome, tmp_path: Path) -> SmallHome:
    return released_home.copy(tmp_path / "home")


def look(home: SmallHome, *, patience_seconds: float = 60) -> dict[tuple[str, ...], float]:
    with patch.dict("os.environ", {"DAGSTER_HOME": ""}):
        parts = home_parts(home.settings, clock=lambda: datetime.now(UTC))
        return numbers(parts.samples(patience_seconds=patience_seconds))


def success(found: dict[tuple[str, ...], float], part: str, product: str = FRAUD) -> float:
    return found["mlops_exporter_part_success", part, product]


def test_every_part_of_a_released_home_is_seen(home: SmallHome) -> None:
    found = look(home)
    assert {key: value for key, value in found.items() if "success" in key[0] and not value} == {}
    assert found["mlops_released_version", FRAUD] == 1
    assert found["mlops_data_lag_seconds", FRAUD] == 122 * 86400.0
    assert ("mlops_job_last_run_success", FRAUD, f"{FRAUD}__daily") not in found
    assert found["mlops_runs_unfinished", "queued"] == 0
    assert found["mlops_alerts_open", "critical"] == 0


def test_a_scrape_is_quick_once_everything_was_looked_at(
    home: SmallHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looked_at, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(looked_at, "PAUSE_TIMES", 0.0)
    with patch.dict("os.environ", {"DAGSTER_HOME": ""}):
        parts = home_parts(home.settings, clock=lambda: datetime.now(UTC))
        first = {one.metric.name for one in parts.samples(patience_seconds=60)}
        started = time.perf_counter()
        again = {one.metric.name for one in parts.samples()}
        assert time.perf_counter() - started < LONGEST_SCRAPE_SECONDS
    assert again == first


@pytest.mark.parametrize(
    ("part", "broken", "product"),
    [
        ("registry", "mlflow.db", FRAUD),
        ("alerts", FILE, ""),
        ("data", f"tables/{FRAUD}/events/_delta_log", FRAUD),
    ],
)
def test_a_part_that_is_broken_is_named_and_the_others_are_seen(
    part: str, broken: str, product: str, home: SmallHome
) -> None:
    sound = look(home)
    place = home.root / broken
    if place.is_dir():
        for file in place.iterdir():
            file.write_text("this is no commit")
    else:
        place.write_text("this is no database" * 1000)
    found = look(home)
    assert success(found, part, product) == 0
    failed = {key[1:] for key, value in found.items() if "success" in key[0] and not value}
    # A product that was never released has no record, and its release is looked for in the registry's tags.
    assert {one for one, of in failed if of in (FRAUD, "")} == {part}
    others = {key for key in sound if key[0].startswith(("mlops_released", "mlops_runs", "mlops_model"))}
    assert others <= found.keys()


def test_nothing_is_written_by_looking_at_a_home_without_anything(home: SmallHome) -> None:
    shutil.rmtree(home.root)
    found = look(home)
    assert not home.root.exists()
    assert {value for key, value in found.items() if "success" in key[0]} == {1}


def test_the_names_of_subjects_are_those_that_the_product_declares() -> None:
    names = declared_names(load_product(FRAUD))
    assert {"amount_usd", load_product(FRAUD).spec.label.column} <= names
    assert load_product(FRAUD).spec.evaluation.primary_metric in names
    assert "" not in names
