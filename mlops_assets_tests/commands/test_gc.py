"""Retention over real tables, runs and folders: what anything still points to survives any age."""

import os
from collections import deque
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from mlops_assets.catalogue import load_product
from mlops_assets.commands.gc import Removal, plan_gc, things_in_use
from mlops_assets.core.errors import RegistryError
from mlops_assets.core.features.online.states import build_states
from mlops_assets.core.lakehouse.write import CommitInfo
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.online_store.kept_views import keep_views
from mlops_assets.core.online_store.load import load_states
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.online_store.protocol import StateChange
from mlops_assets.core.registry.candidate import Candidate
from mlops_assets.core.registry.tag_names import EVALUATION_TAG, TRAINING_SET_TAG
from mlops_assets.core.release.plan import Arm, ReleasePlan
from mlops_assets.core.release.record import ReleaseRecord, plan_entry
from mlops_assets.core.settings import load_settings
from mlops_assets.core.times import UTC_TIME
from mlops_assets_tests.support.homes.home import Home
from mlops_assets_tests.support.small_model import small_model

PRODUCT = "fraud_detection"
COMMIT = CommitInfo(run_id="run-1", code_version="1")
BENTO_TAG = "v1-aaaaaaaaaaaa"


@dataclass(frozen=True)
class GrownHome(Home):
    """A product after five retrainings: each wrote its tables again, logged a run, and built a bento.

    Registered are the candidates 1 and 3; 1 is released and 3 waits; 4 is the newest candidate, and a training set was
    made since.
    """

    run_ids: tuple[str, ...] = ()
    """By candidate, 0 to 4."""

    def removals(self, *, days_later: int = 400) -> dict[str, Removal]:
        planned = plan_gc(self.settings, [PRODUCT], now=datetime.now(UTC) + timedelta(days=days_later))
        return {removal.kind: removal for removal in planned}

    def readable(self, table: str) -> set[int]:
        """Versions of a table whose rows can still be read."""
        found = set()
        for version in range(self.tables.delta(PRODUCT, table).version() + 1):
            try:
                assert self.tables.read(PRODUCT, table, version=version)["candidate"].item() == version
            except FileNotFoundError:
                continue
            except AssertionError:
                break  # versions that a vacuum itself committed
            found.add(version)
        return found


def grow(folder: Path, model: TrainedModel) -> GrownHome:
    home = GrownHome(folder, load_product(PRODUCT))
    settings, run_ids = home.settings, []
    for number in range(5):
        for table in ("training_set", "evaluation", "features"):
            home.write(table, pl.DataFrame({"candidate": [number]}))
        run_ids.append(run_id := home.log_run(artifact="evidence"))
        home.write("model", Candidate(run_id, f"models:/m-{number}", "digest", number, None).to_frame())
        if number in (1, 3):
            tags = {TRAINING_SET_TAG: str(number), EVALUATION_TAG: str(number)}
            home.register(model, tags=tags, verdicts=(), run_id=run_id)
    home.write("training_set", pl.DataFrame({"candidate": [5]}))
    home.put(plan_of(1, evidence={"bento": f"{PRODUCT}:{BENTO_TAG}"}))
    for second, name in enumerate(
        (BENTO_TAG, "v1-bbbbbbbbbbbb", *(f"v{n}-cccccccccccc" for n in range(2, 8)))
    ):
        bento = settings.bentos / "bentos" / PRODUCT / name
        bento.mkdir(parents=True)
        (bento / "bento.yaml").write_text("service: x")
        os.utime(bento, (second, second))
    for age in (100, 200):
        report = settings.reports / PRODUCT / "drift_report" / f"{age}.html"
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text("<html>")
        at = (datetime.now(UTC) - timedelta(days=age)).timestamp()
        os.utime(report, (at, at))
    return replace(home, run_ids=tuple(run_ids))


def plan_of(version: int, *, evidence: dict[str, str], previous: int | None = None) -> ReleasePlan:
    return ReleasePlan(
        mode="blue_green",
        arms=(Arm(version, 100, "champion"),),
        since=datetime(2026, 1, 1, tzinfo=UTC),
        by="a test",
        reason="every gate passed",
        evidence=evidence,
        sequence=1,
        previous_champion=previous,
    )


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    return small_model()


@pytest.fixture
def home(tmp_path: Path, model: TrainedModel) -> GrownHome:
    return grow(tmp_path, model)


def apply(removals: dict[str, Removal]) -> None:
    for removal in removals.values():
        removal.delete()


def test_what_versions_candidates_and_the_plan_point_to_survives_any_age(home: GrownHome) -> None:
    removals = home.removals()
    assert set(removals["runs"].names) == {home.run_ids[0], home.run_ids[2]}
    assert (
        len(removals["bentos"].names) == 8 - 1 - 1 - 3
    )  # named by the plan; newest of version 1; newest three
    apply(removals)
    assert home.readable("training_set") == {1, 3, 4, 5}
    assert home.readable("evaluation") == {1, 3, 4}
    assert home.readable("features") == {4}
    names = {path.name for path in (home.settings.bentos / "bentos" / PRODUCT).iterdir()}
    assert names == {BENTO_TAG, "v1-bbbbbbbbbbbb", "v5-cccccccccccc", "v6-cccccccccccc", "v7-cccccccccccc"}
    for version in home.registry.versions(PRODUCT):
        assert home.registry.load(PRODUCT, version.version) is not None
    assert not list((home.settings.reports / PRODUCT).rglob("*.html"))


def test_showing_deletes_nothing_and_a_second_deletion_finds_nothing(home: GrownHome) -> None:
    before = {path: path.stat().st_mtime for path in home.settings.home.rglob("*") if path.suffix != ".db"}
    removals = home.removals()
    assert {
        path: path.stat().st_mtime for path in home.settings.home.rglob("*") if path.suffix != ".db"
    } == before
    apply(removals)
    again = home.removals()
    assert [(removal.count, removal.size_bytes, removal.oldest) for removal in again.values()] == [
        (0, 0, None)
    ] * 5
    apply(again)
    apply({kind: removal for kind, removal in removals.items() if kind != "runs"})


def test_today_only_what_is_old_today_goes(home: GrownHome) -> None:
    removals = home.removals(days_later=0)
    assert removals["reports"].names == ("drift_report/200.html",)
    assert removals["table files"].names == removals["runs"].names == ()


def test_counts_bytes_and_ages_are_those_of_the_files(home: GrownHome) -> None:
    removal = home.removals()["table files"]
    files = [Path(home.settings.tables_uri) / PRODUCT / name for name in removal.names]
    assert removal.size_bytes == sum(file.stat().st_size for file in files)
    assert removal.oldest is not None
    assert abs(removal.oldest.timestamp() - min(file.stat().st_mtime for file in files)) < 0.001
    assert home.removals()["runs"].size_bytes == 2 * len("evidence")
    assert removal.to_json()["count"] == len(files) == 2 + 2 + 4 + 4


def test_the_version_to_which_a_rollback_would_return_keeps_its_bento(home: GrownHome) -> None:
    product = load_product(PRODUCT)
    versions = home.registry.versions(PRODUCT)
    entry = plan_entry(plan_of(2, evidence={}, previous=1), versions)
    planned = things_in_use(home.tables, product, versions=(), record=ReleaseRecord(PRODUCT, (entry,)))
    assert planned.bento_versions == {1, 2}
    assert {home.run_ids[1], home.run_ids[3]} <= planned.runs_and_models, "also when MLflow has lost them"
    nothing = things_in_use(home.tables, product, versions=versions, record=ReleaseRecord(PRODUCT, ()))
    assert nothing.bento_versions == frozenset()


def test_a_version_keeps_its_run_even_when_its_model_is_elsewhere(home: GrownHome) -> None:
    versions = home.registry.versions(PRODUCT)
    in_use = things_in_use(
        home.tables, load_product(PRODUCT), versions=versions, record=ReleaseRecord(PRODUCT, ())
    )
    assert {home.run_ids[1], home.run_ids[3], home.run_ids[4], "models:/m-4"} <= in_use.runs_and_models


def test_a_version_that_does_not_say_what_it_needs_stops_everything(home: GrownHome) -> None:
    home.registry.set_version_tags(PRODUCT, 2, {TRAINING_SET_TAG: "None"})
    with pytest.raises(RegistryError, match=r"version 2: tag mlops/training_set_version is 'None'"):
        home.removals()


def test_an_empty_home_has_nothing_to_delete(tmp_path: Path) -> None:
    settings = load_settings({"MLOPS_HOME": str(tmp_path)}, working_directory=tmp_path)
    removals = plan_gc(settings, [PRODUCT], now=datetime.now(UTC))
    assert [removal.count for removal in removals] == [0] * 5
    assert not Path(settings.online_store).exists(), "looking makes no store"


def test_online_states_that_no_window_reaches_are_counted_and_evicted_without_a_load(home: GrownHome) -> None:
    view = load_product(PRODUCT).view
    first, later = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)
    store = open_online_store(home.settings.online_store, PRODUCT)
    for customer, at, as_of in ((1, first, first + timedelta(days=1)), (2, later, later + timedelta(days=1))):
        events = pl.DataFrame(
            {
                "transaction_id": [customer],
                "event_timestamp": [at],
                "known_at": [at],
                "customer_id": [customer],
                "terminal_id": [customer],
                "amount_usd": [10.0],
            },
            schema_overrides={"event_timestamp": UTC_TIME, "known_at": UTC_TIME},
        ).select(view.input_columns)
        labels = pl.DataFrame(schema={"transaction_id": pl.Int64, "is_fraud": pl.Int8, "known_at": UTC_TIME})
        states = build_states(view, events, labels.select(view.label_columns), as_of=as_of)
        deque(load_states(store, view, states), maxlen=0)
    assert home.removals()["online states"].count == 0, "nobody has noted whose states it keeps"
    keep_views(store, [view])
    state = StateChange("customer_id=3@00000000", 0, b"of a view that is kept no more")
    assert store.commit([state], [])
    removal = home.removals()["online states"]
    assert (removal.count, removal.names) == (3, ()), (
        "of customer 1, terminal 1 and the other view; nobody is named"
    )
    assert removal.size_bytes > 0
    before = store.state_count()
    removal.delete()
    assert store.state_count() == before - 3
    assert home.removals()["online states"].count == 0
    store.close()
