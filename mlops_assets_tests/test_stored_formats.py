"""Today's code reads every stored format of before, and says of a later one what to do."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlops_assets.commands.drill.redis_server import RedisServer
from mlops_assets.core.alerts.outbox import Outbox
from mlops_assets.core.errors import PlatformError
from mlops_assets.core.features.online.entity_state import EntityState
from mlops_assets.core.features.online.layout import empty_layout
from mlops_assets.core.features.stored_view import view_from_json
from mlops_assets.core.model.trained_model import TrainedModel
from mlops_assets.core.online_store.protocol import OnlineStore
from mlops_assets.core.online_store.redis import RedisOnlineStore
from mlops_assets.core.online_store.sqlite import SqliteOnlineStore
from mlops_assets.core.serving.api_keys import ApiKeys
from mlops_assets.core.serving.host.follower_status import FollowerStatus
from mlops_assets.core.serving.host.seen_plans import SeenPlans
from mlops_assets.core.serving.host.snapshot import ServingSnapshot
from mlops_assets.core.serving.manifest import BentoManifest
from mlops_assets.core.serving.prediction_record import decode_record
from mlops_assets_tests.stored_formats.things import (
    ALERT,
    API_KEY,
    API_KEYS,
    FOLDER,
    FORMATS,
    MANIFEST,
    NOON,
    PRODUCT,
    RECORD,
    STATE_CHANGES,
    STATUS,
    STORED_VIEW,
    StoredFormat,
    online_states,
    put_into_redis,
    seen_by_host,
    serving_snapshot,
)
from mlops_assets_tests.support.features.online_world import OnlineWorld, bits
from mlops_assets_tests.support.features.world import VIEW, event

PAGE = FOLDER.parents[1] / "docs" / "reference" / "stored-formats.md"


def stored(name: str) -> list[Path]:
    """The files of all versions of a format, the present one among them."""
    found = sorted(FOLDER.glob(f"{name}_*"))
    assert found
    return found


@pytest.mark.parametrize("one", FORMATS, ids=lambda one: one.name)
def test_each_format_has_a_file_of_its_present_version_and_a_row_on_the_page(one: StoredFormat) -> None:
    assert one.path.exists(), "write it: python -m mlops_assets_tests.stored_formats.things"
    assert f"`{one.path.name}`" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("one", [one for one in FORMATS if one.has_same_bytes], ids=lambda one: one.name)
def test_what_is_written_changes_only_with_the_version(one: StoredFormat, tmp_path: Path) -> None:
    written = tmp_path / one.path.name
    one.write(written)
    assert written.read_bytes() == one.path.read_bytes(), f"raise the version of {one.name}"


@pytest.mark.parametrize("path", stored("captured_record"), ids=lambda path: path.stem)
def test_captured_records_are_read(path: Path) -> None:
    assert decode_record(path.read_bytes()) == RECORD


@pytest.mark.parametrize("path", stored("snapshot"), ids=lambda path: path.stem)
def test_snapshots_are_read(path: Path) -> None:
    assert ServingSnapshot.read(path) == serving_snapshot(FOLDER)


@pytest.mark.parametrize("path", stored("follower_status"), ids=lambda path: path.stem)
def test_follower_statuses_are_read(path: Path) -> None:
    assert FollowerStatus.read(path) == STATUS


@pytest.mark.parametrize("path", stored("seen_plans"), ids=lambda path: path.stem)
def test_what_hosts_have_seen_is_read(path: Path) -> None:
    assert SeenPlans.read(path) == seen_by_host(FOLDER)


def test_a_follower_status_of_before_versions_is_read(tmp_path: Path) -> None:
    content = json.loads((FOLDER / "follower_status_1.json").read_text(encoding="utf-8"))
    del content["format_version"]
    (tmp_path / "follower.json").write_text(json.dumps(content), encoding="utf-8")
    assert FollowerStatus.read(tmp_path / "follower.json") == STATUS


@pytest.mark.parametrize("path", stored("api_keys"), ids=lambda path: path.stem)
def test_api_keys_are_read_and_open(path: Path) -> None:
    assert ApiKeys.read(path) == API_KEYS
    assert ApiKeys.read(path).holder(API_KEY) == "billing"


@pytest.mark.parametrize("path", stored("manifest"), ids=lambda path: path.stem)
def test_manifests_are_read(path: Path) -> None:
    assert BentoManifest.read(path) == MANIFEST


@pytest.mark.parametrize("path", stored("view"), ids=lambda path: path.stem)
def test_views_are_read(path: Path) -> None:
    assert view_from_json(path.read_text(encoding="utf-8")).digest == STORED_VIEW.digest


@pytest.mark.parametrize("path", stored("model"), ids=lambda path: path.stem)
def test_models_are_read_and_stored_again_with_the_same_bytes(path: Path, tmp_path: Path) -> None:
    model = TrainedModel.load(path)
    model.save(tmp_path)
    if path == next(one.path for one in FORMATS if one.name == "model"):
        for file in path.iterdir():
            assert (tmp_path / file.name).read_bytes() == file.read_bytes()
    assert TrainedModel.load(tmp_path) == model


@pytest.mark.parametrize("path", stored("online_states"), ids=lambda path: path.stem)
def test_online_states_are_read(path: Path) -> None:
    answers = []
    for states in (json.loads(path.read_text(encoding="utf-8")), online_states()):
        world = OnlineWorld(VIEW)
        world.states = {key: bytes.fromhex(content) for key, content in states.items()}
        asked = [event(10, 4.5, amount=3.0), event(11, 5.5, customer="b", amount=None)]
        answers.append([bits(world.serve(each).features) for each in asked])
    assert answers[0] == answers[1]


def check_store(store: OnlineStore) -> None:
    found = store.read([change.key for change in STATE_CHANGES])
    assert [state.content for state in found] == [change.content for change in STATE_CHANGES]
    assert [decode_record(record.content) for record in store.captured()] == [RECORD]
    assert store.commit([], [b"{}"])
    store.close()


@pytest.mark.parametrize("path", stored("online_store"), ids=lambda path: path.stem)
def test_online_stores_are_read_and_written(path: Path, tmp_path: Path) -> None:
    shutil.copy(path, tmp_path / "online.db")
    check_store(SqliteOnlineStore(tmp_path / "online.db"))


@pytest.mark.parametrize("path", stored("alert_outbox"), ids=lambda path: path.stem)
def test_outboxes_of_alerts_are_read_and_written(path: Path, tmp_path: Path) -> None:
    shutil.copy(path, tmp_path / "alerts.db")
    outbox = Outbox(tmp_path / "alerts.db")
    assert {key: one.told for key, one in outbox.open_alerts().items()} == {ALERT.key: ALERT}
    (waits,) = outbox.waiting()
    assert (waits.sink, waits.message.id, waits.attempts, waits.remark) == ("mail", "a1b2.1", 1, "HTTP 503")
    assert ([one.failed for one in outbox.health()], outbox.notes()) == ([1], {"runs": "7"})
    outbox.delivered(waits, now=NOON)
    assert outbox.record([ALERT], now=NOON, new_id=str, route=lambda _: ()) == ()


@pytest.mark.parametrize("path", stored("redis_store"), ids=lambda path: path.stem)
def test_online_stores_in_redis_are_read_and_written(path: Path, tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    server.start()
    try:
        put_into_redis(server.url, json.loads(path.read_text(encoding="utf-8")))
        check_store(RedisOnlineStore(server.url, PRODUCT))
    finally:
        server.stop()


READERS: dict[str, Callable[[Path], object]] = {
    "captured_record": lambda path: decode_record(path.read_bytes()),
    "snapshot": ServingSnapshot.read,
    "follower_status": FollowerStatus.read,
    "seen_plans": SeenPlans.read,
    "manifest": BentoManifest.read,
    "view": lambda path: view_from_json(path.read_text(encoding="utf-8")),
}


@pytest.mark.parametrize("one", [one for one in FORMATS if one.name in READERS], ids=lambda one: one.name)
def test_a_later_format_says_so_and_what_to_do(one: StoredFormat, tmp_path: Path) -> None:
    content: dict[str, Any] = json.loads(one.path.read_text(encoding="utf-8"))
    content |= {"format_version": one.version + 1, "version": "a text in a later format", "label": 7}
    path = tmp_path / "later.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    said = (
        f"has format {one.version + 1}, readable is {one.version}: a later version of mlops-assets wrote it; "
    )
    with pytest.raises(PlatformError, match=said):
        READERS[one.name](path)


def test_a_model_of_a_later_format_says_so(tmp_path: Path) -> None:
    shutil.copytree(FOLDER / "model_1", tmp_path / "model")
    document = tmp_path / "model" / "model.json"
    content = json.loads(document.read_text(encoding="utf-8")) | {"format_version": 2}
    document.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(PlatformError, match="has format 2, readable is 1: a later version"):
        TrainedModel.load(tmp_path / "model")


def test_a_state_of_a_later_format_says_so() -> None:
    with pytest.raises(PlatformError, match="has format 4, readable is 3: a later version"):
        EntityState(empty_layout(), bytes([4]) + bytes(100))
