"""Two views at once: a plan whose versions have other features, from the files of the host to answers and back."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from mlops_assets.core.features.expressions import col
from mlops_assets.core.features.offline.executor import compute_features
from mlops_assets.core.features.online.states import build_states
from mlops_assets.core.features.stored_view import view_to_json
from mlops_assets.core.features.view import FeatureView, RowFeature, WindowFeature
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.online_store.kept_views import keep_views, state_tags
from mlops_assets.core.online_store.load import load_states
from mlops_assets.core.online_store.opening import open_online_store
from mlops_assets.core.online_store.protocol import OnlineStore, StateChange
from mlops_assets.core.release.plan import Arm, ReleasePlan
from mlops_assets.core.serving.arms import LoadedVersion
from mlops_assets.core.serving.host.snapshot import (
    MODELS_FOLDER,
    ServingSnapshot,
    VersionOnDisk,
    snapshot_file,
)
from mlops_assets.core.serving.host.views_on_disk import VIEWS_FOLDER
from mlops_assets.core.serving.prediction_record import PredictionRecord
from mlops_assets.core.serving.scoring import OnlineScoring
from mlops_assets.core.times import as_microseconds
from mlops_assets_tests.support.homes.product_bento import SampledProduct, sampled_product
from mlops_assets_tests.support.scored_requests import FACTS
from mlops_assets_tests.support.small_model import small_model
from serving import live_release
from serving.live_release import LiveRelease

PRODUCT = "fraud_detection"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
AMOUNT = RowFeature("amount_usd", col("amount_usd") * 0.5, "half of what was paid")


@pytest.fixture(scope="module")
def sampled() -> SampledProduct:
    return sampled_product(PRODUCT)


def other_view(kind: str, view: FeatureView) -> FeatureView:
    """The product's view with a feature redefined under its name, with a longer window, or features less and more."""
    features: Sequence[RowFeature | WindowFeature] = view.features
    if kind == "redefined":
        features = [AMOUNT if one.name == "amount_usd" else one for one in features]
    elif kind == "windows":
        features = [
            replace(one, windows=(*one.windows, 120 * DAY)) if isinstance(one, WindowFeature) else one
            for one in features
        ]
    else:
        features = [one for one in features if one.name != "amount_usd"]
        features += [
            WindowFeature(
                "terminal_maximum_{window}", "events", "terminal_id", "max", (3 * DAY,), "", "amount_usd"
            )
        ]
    return FeatureView(view.name, view.id_column, view.event_timestamp, tuple(features))


class Host:
    """A host's folder and store, and the live release of a service on it."""

    def __init__(self, sampled: SampledProduct, folder: Path) -> None:
        self.sampled, self.folder = sampled, folder
        self.view = sampled.product.view
        self.sequence = 0
        self.half = sampled.events.sort("event_timestamp")[sampled.events.height // 2, "event_timestamp"]
        self.start()

    def start(self) -> None:
        own = LoadedVersion(1, self.model(self.view), 0.5)
        self.live = LiveRelease(
            self.sampled.product, lambda: own, serving_home=self.folder, open_store=self.open_store
        )
        self.store = self.open_store()
        self.scoring = OnlineScoring(FACTS, self.store, self.live.first())

    def open_store(self) -> OnlineStore:
        return open_online_store(str(self.folder / "store"), PRODUCT)

    def model(self, view: FeatureView) -> TrainedModel:
        return replace(small_model(), feature_names=self.read(view))

    def read(self, view: FeatureView) -> tuple[str, ...]:
        """Three features that a model of the view reads: what it has anew first, then what it may have redefined."""
        added = [name for name in view.feature_names if name not in self.view.feature_names]
        known = [name for name in ("amount_usd", *reversed(view.feature_names)) if name in view.feature_names]
        return tuple(dict.fromkeys([*added, *known]))[:3]

    def load(self, view: FeatureView, *, served: Sequence[PredictionRecord] = ()) -> None:
        events, labels = self.known()
        states = build_states(view, events, labels, as_of=self.half, served=self.events_of(served))
        assert sum(block.states for block in load_states(self.store, view, states))

    def known(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        known = pl.col("known_at") < self.half
        return self.sampled.events.filter(known), self.sampled.labels.filter(known)

    def plan(self, views: dict[int, FeatureView], *arms: Arm) -> None:
        self.sequence += 1
        file = snapshot_file(self.folder, PRODUCT)
        versions = {}
        for number in {arm.version for arm in arms}:
            view = views[number]
            model = self.model(view)
            folder = file.parent / MODELS_FOLDER / model.digest
            model.save(folder)
            stored = file.parent / VIEWS_FOLDER / f"{view.digest}.json"
            stored.parent.mkdir(exist_ok=True)
            stored.write_text(view_to_json(view), encoding="utf-8")
            versions[number] = VersionOnDisk(
                number, model.digest, 0.5, view.digest, {}, model.feature_names, folder
            )
        mode = "canary" if len(arms) > 1 else "blue_green"
        ServingSnapshot(ReleasePlan(mode, arms, NOON, "ann", "why", {}, self.sequence, 1), versions).write(
            file
        )
        os.utime(file, (self.sequence, self.sequence))

    def follow(self) -> bool:
        arms = self.live.load()
        if arms is not None:
            self.scoring.arms = arms
        return arms is not None

    def serve(self, count: int, *, skip: int) -> list[PredictionRecord]:
        later = self.sampled.events.filter(pl.col("known_at") >= self.half).sort("event_timestamp")
        records = []
        for row in later[skip : skip + count].iter_rows(named=True):
            event = {
                name: as_microseconds(value) if isinstance(value, datetime) else value
                for name, value in row.items()
            }
            records += self.scoring.score([event], received_at=as_microseconds(row["known_at"]))
        return records

    def events_of(self, records: Sequence[PredictionRecord]) -> pl.DataFrame:
        """The events of records, as they were captured."""
        captured = pl.DataFrame(
            {"transaction_id": [one.event_id for one in records], "known": [one.known_at for one in records]},
            schema={"transaction_id": pl.Int64, "known": pl.Int64},
        ).with_columns(pl.col("known").cast(pl.Datetime("us", "UTC")))
        mine = self.sampled.events.join(captured, on="transaction_id")
        return mine.with_columns(known_at=pl.col("known")).select(self.sampled.events.columns)

    def derived(self, view: FeatureView, records: Sequence[PredictionRecord]) -> dict[object, tuple]:
        """Vectors of the events, among those that were known and those that were served, as they were captured."""
        events, labels = self.known()
        computed = compute_features(view, pl.concat([events, self.events_of(records)]), labels)
        rows = computed.select("transaction_id", pl.col(self.read(view)).cast(pl.Float64)).iter_rows()
        return {row[0]: row[1:] for row in rows}


@pytest.fixture
def host(sampled: SampledProduct, tmp_path: Path) -> Iterator[Host]:
    made = Host(sampled, tmp_path)
    yield made
    made.store.close()


@pytest.mark.parametrize("kind", ["redefined", "windows", "dropped and added"])
def test_both_arms_of_a_canary_are_served_what_their_own_views_derive_and_after_it_too(
    host: Host, kind: str
) -> None:
    views = {1: host.view, 2: other_view(kind, host.view)}
    for view in views.values():
        host.load(view)
    keep_views(host.store, list(views.values()))
    host.live.look_at_store()
    records = []
    canary = (Arm(1, 50, "champion"), Arm(2, 50, "challenger"))
    stages = [canary, (Arm(2, 100, "champion"),), canary, (Arm(1, 100, "champion"),)]
    for number, arms in enumerate(stages):
        host.plan(views, *arms)
        assert host.follow(), host.live.problem
        records += host.serve(25, skip=25 * number)
    host.store.close()
    host.plan(views, *canary)
    host.start()  # the service, with both views
    records += host.serve(25, skip=100)
    assert {one.version for one in records[-25:]} == {1, 2}
    assert all(one.error is None for one in records)
    for version, view in views.items():
        mine = [one for one in records if one.version == version]
        derived = host.derived(view, records)
        assert len(mine) > 40
        assert [one.features for one in mine] == [derived[one.event_id] for one in mine]


@pytest.mark.parametrize("kind", ["windows", "dropped and added"])
def test_a_view_that_the_store_keeps_misses_no_event_before_its_load_and_none_before_its_plan(
    host: Host, kind: str
) -> None:
    views = {1: host.view, 2: other_view(kind, host.view)}
    host.load(host.view)
    records = host.serve(30, skip=0)
    keep_views(host.store, [*views.values()])
    host.live.look_at_store()
    assert host.live.is_changed()
    assert host.follow()
    assert host.scoring.arms.sequence == 0
    known = list(records)
    records += host.serve(30, skip=30)
    host.load(views[2], served=known)
    records += host.serve(30, skip=60)
    host.plan(views, Arm(1, 50, "champion"), Arm(2, 50, "challenger"))
    assert host.follow(), host.live.problem
    records += host.serve(40, skip=90)
    for version, view in views.items():
        mine = [one for one in records if one.version == version and one.plan_sequence]
        derived = host.derived(view, records)
        assert len(mine) > 5
        assert [one.features for one in mine] == [derived[one.event_id] for one in mine]
        assert {one.feature_view for one in mine} == {view.digest}


def test_a_view_that_cannot_be_kept_keeps_no_request_from_its_answer(host: Host) -> None:
    lacking = FeatureView(
        "wider", host.view.id_column, host.view.event_timestamp, (RowFeature("age", col("age"), ""),)
    )
    elsewhere = replace(other_view("windows", host.view), id_column="customer_id")
    host.load(host.view)
    keep_views(host.store, [host.view, lacking, elsewhere])
    host.live.look_at_store()
    assert host.follow()
    assert not host.live.is_changed()
    assert len(host.serve(3, skip=0)) == 3


def test_a_store_that_is_away_at_the_start_is_asked_until_it_says_its_views(host: Host) -> None:
    host.load(host.view)
    other = other_view("windows", host.view)
    keep_views(host.store, [host.view, other])
    (host.folder / "away").write_text("no folder")
    places = iter([host.folder / "away" / "store", host.folder / "store"])
    own = LoadedVersion(1, host.model(host.view), 0.5)
    live = LiveRelease(
        host.sampled.product,
        lambda: own,
        serving_home=host.folder,
        open_store=lambda: open_online_store(str(next(places)), PRODUCT),
    )
    live.first()
    assert not live.is_store_read
    live.look_at_store()
    assert (live.is_store_read, live.is_changed()) == (True, True)


def test_what_the_champion_refuses_is_refused_and_what_the_challenger_fails_with_is_captured(
    host: Host,
) -> None:
    views = {1: host.view, 2: other_view("windows", host.view)}
    for view in views.values():
        host.load(view)
    host.plan(views, Arm(1, 50, "champion"), Arm(2, 50, "challenger"))
    assert host.follow(), host.live.problem
    assert [arm.role for arm in host.scoring.arms.arms] == ["champion", "challenger"]
    own = tuple(state_tags([views[2]]) - state_tags([views[1]]))
    stored = [key for key, _ in host.store.states() if key.endswith(own)]
    broken = [StateChange(key, host.store.read([key])[0].version, b"no state") for key in stored]
    assert host.store.commit(broken, [])
    records = host.serve(40, skip=0)
    assert {(one.version, one.error) for one in records} == {(1, None)}


def test_a_plan_whose_view_has_no_states_waits_until_they_are_loaded(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_release, "RETRY_SECONDS", 0.0)
    views = {1: host.view, 2: other_view("windows", host.view)}
    host.load(host.view)
    host.plan(views, Arm(1, 50, "champion"), Arm(2, 50, "challenger"))
    assert not host.follow()
    assert "has no state: materialize fraud_detection/online_features" in str(host.live.problem)
    assert host.scoring.arms.sequence == 0
    assert host.live.is_changed()
    host.load(views[2])
    assert host.follow()
    assert (host.live.problem, host.scoring.arms.sequence) == (None, 1)


def test_a_view_that_reads_what_requests_do_not_have_is_refused(host: Host) -> None:
    view = FeatureView(
        "wider", host.view.id_column, host.view.event_timestamp, (RowFeature("age", col("age"), ""),)
    )
    host.plan({2: replace(view, features=(*host.view.features, *view.features))}, Arm(2, 100, "champion"))
    assert not host.follow()
    assert "reads age: requests to this service have no such columns" in str(host.live.problem)
    assert not host.live.is_changed()


def test_a_view_that_was_changed_on_disk_is_refused(host: Host) -> None:
    view = other_view("redefined", host.view)
    host.plan({2: view}, Arm(2, 100, "champion"))
    file = snapshot_file(host.folder, PRODUCT).parent / VIEWS_FOLDER / f"{view.digest}.json"
    file.write_text(file.read_text(encoding="utf-8").replace("half of", "all of"), encoding="utf-8")
    assert not host.follow()
    assert "holds feature view" in str(host.live.problem)
