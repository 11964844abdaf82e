"""One small thing of each stored format, and how today's code writes and reads it.

`python -m mlops_assets_tests.stored_formats.things` writes the files beside this one that are missing: run it after a
format's version was raised, and keep the files of the version before.
"""

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import redis

from mlops_assets.commands.drill.redis_server import RedisServer
from mlops_assets.core.alerts import outbox
from mlops_assets.core.alerts.lifecycle import Condition, Key
from mlops_assets.core.alerts.outbox import Outbox
from mlops_assets.core.features import stored_view
from mlops_assets.core.features.expressions import col
from mlops_assets.core.features.online import layout
from mlops_assets.core.features.online.states import build_states
from mlops_assets.core.features.view import RowFeature
from mlops_assets.core.model import trained_model
from mlops_assets.core.online_store import redis as redis_store
from mlops_assets.core.online_store import sqlite
from mlops_assets.core.online_store.protocol import ABSENT, StateChange
from mlops_assets.core.online_store.redis import RedisOnlineStore
from mlops_assets.core.online_store.sqlite import SqliteOnlineStore
from mlops_assets.core.release.plan import Arm, ReleasePlan
from mlops_assets.core.serving import api_keys, manifest, prediction_record
from mlops_assets.core.serving.api_keys import ApiKeys
from mlops_assets.core.serving.host import follower_status, seen_plans, snapshot
from mlops_assets.core.serving.host.follower_status import FollowerStatus
from mlops_assets.core.serving.host.seen_plans import SeenPlans
from mlops_assets.core.serving.host.snapshot import ServingSnapshot, VersionOnDisk
from mlops_assets.core.serving.manifest import BentoManifest, ServedDeclaration, ServedFeature
from mlops_assets.core.serving.prediction_record import PredictionRecord, encode_record
from mlops_assets_tests.support.features.window_oracle import LabelVersion
from mlops_assets_tests.support.features.world import EPOCH, HOUR, VIEW, event, frames
from mlops_assets_tests.support.small_model import small_model

FOLDER = Path(__file__).parent
PRODUCT = "fraud_detection"
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
STATE_CHANGES = [
    StateChange("customer_id=5@1a2b3c4d", ABSENT, b"a state"),
    StateChange("*@1a2b3c4d", ABSENT, b""),
]
RECORD = PredictionRecord(
    prediction_id="v3-17-0123abcd",
    event_id=17,
    request={"transaction_id": 17, "amount_usd": 0.1, "terminal": "ß", "missing": None},
    event_timestamp=1_767_355_200_000_000,
    known_at=1_767_355_200_000_001,
    received_at=1_767_355_200_000_002,
    version=3,
    role="challenger",
    plan_sequence=4,
    features=(0.1, None, 1e300),
    score=0.1 + 0.2,
    threshold=0.05,
    decision=1,
    latency_seconds=0.00125,
)
STORED_VIEW = replace(
    VIEW,
    features=(
        *VIEW.features,
        RowFeature(
            "is_large", (col("amount") > 2.5) & col("terminal").category(("s", "t")), "Large", "", "-"
        ),
    ),
)
API_KEYS, API_KEY = ApiKeys().with_new("billing", secret=bytes(range(32)), salt=bytes(range(16)), now=NOON)
STATUS = FollowerStatus(plan_sequence=4, last_success_at=NOON, last_error="the registry is down")
MANIFEST = BentoManifest(
    product="fraud_detection",
    declaration=ServedDeclaration(
        title="Fraud detection",
        description="Scores payments",
        label_description="Whether it was fraud",
        id_column="transaction_id",
        entities=("customer_id", "terminal_id"),
    ),
    version=3,
    digest="ab" * 32,
    model_tag="fraud_detection:abc",
    label="is_fraud",
    features=(ServedFeature("amount_usd", "What was paid", "USD", ""),),
    libraries=(("lightgbm", "4.7.0"),),
    threshold=0.05,
    view_digest="cd" * 32,
    sources_digest="ef" * 32,
)


def serving_snapshot(folder: Path) -> ServingSnapshot:
    """A canary of two versions whose models lie below `folder`."""
    plan = ReleasePlan(
        "canary", (Arm(2, 95, "champion"), Arm(3, 5, "challenger")), NOON, "ann", "why", {"auc": "0.9"}, 4, 1
    )
    versions = {
        number: VersionOnDisk(
            version=number,
            digest=f"{number:064x}",
            threshold=0.25,
            view_digest="cd" * 32,
            libraries={"lightgbm": "4.7.0"},
            feature_names=("amount_usd", "night"),
            folder=folder / "models" / f"{number:064x}",
        )
        for number in (2, 3)
    }
    return ServingSnapshot(plan, versions)


def seen_by_host(folder: Path) -> SeenPlans:
    """A plan that worked, one that is refused, and one that a worker died of."""
    worked = serving_snapshot(folder)
    refused, newest = (replace(worked.plan, sequence=number) for number in (5, 6))
    return (
        SeenPlans(libraries={"lightgbm": "4.7.0"})
        .with_good(worked)
        .with_refused(refused, "workers died")
        .with_deaths(newest, 1)
    )


def online_states() -> Mapping[str, str]:
    """Key to content in hexadecimal digits, of two customers and their terminals, with labels and a missing amount."""
    events = [event(1, 0, amount=1.5), event(2, 1, amount=None), event(3, 2.5, customer="b", amount=2.25)]
    labels = [LabelVersion(1, EPOCH + HOUR, 1), LabelVersion(3, EPOCH + 3 * HOUR, 0)]
    states = build_states(VIEW, *frames(events, labels), as_of=EPOCH + 4 * HOUR)
    return {key: content.hex() for key, content in states}


def _write_states(path: Path) -> None:
    path.write_text(json.dumps(online_states(), sort_keys=True, indent=1) + "\n", encoding="utf-8")


def _write_store(path: Path) -> None:
    work = path.with_name("work")
    store = SqliteOnlineStore(work / "online.db")
    store.commit(STATE_CHANGES, [encode_record(RECORD)])
    store.close()
    (work / "online.db").rename(path)
    shutil.rmtree(work)


ALERT = Condition(
    key=Key("fraud_detection", "drift", "amount_usd"),
    state="firing",
    reason="it has moved",
    severity="warning",
    value=0.25,
    limit=0.2,
    window="2026-01-01",
    runbook="docs/page.md",
    link="http://ui",
    sinks=("mail",),
    remind_after=timedelta(days=1),
)


def _write_outbox(path: Path) -> None:
    box = Outbox(path)
    box.record([ALERT], now=NOON, new_id=lambda: "a1b2", route=lambda _: ("log", "mail"), notes={"runs": "7"})
    log, mail = box.waiting()
    box.delivered(log, now=NOON)
    box.failed(mail, now=NOON, next_at=NOON + timedelta(minutes=1), remark="HTTP 503", is_down=True)


def _write_redis(path: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        server = RedisServer(Path(name))
        server.start()
        try:
            store = RedisOnlineStore(server.url, PRODUCT)
            store.commit(STATE_CHANGES, [encode_record(RECORD)])
            store.close()
            path.write_text(json.dumps(redis_content(server.url), indent=1) + "\n", encoding="utf-8")
        finally:
            server.stop()


def redis_content(url: str) -> Mapping[str, object]:
    """Everything that a store keeps in Redis, by key, as text."""
    with redis.Redis.from_url(url, decode_responses=True) as client:
        prefix = f"{{mlops:{PRODUCT}}}:"
        return {
            f"{prefix}states": client.hgetall(f"{prefix}states"),
            f"{prefix}versions": client.get(f"{prefix}versions"),
            f"{prefix}captured": client.xrange(f"{prefix}captured"),
            f"{prefix}store": client.hgetall(f"{prefix}store"),
        }


def put_into_redis(url: str, content: Mapping[str, Any]) -> None:
    """Make Redis hold what `redis_content` returned."""
    with redis.Redis.from_url(url) as client:
        for key, value in content.items():
            if isinstance(value, dict):
                client.hset(key, mapping=value)
            elif isinstance(value, str):
                client.set(key, value)
            else:
                for entry, fields in value:
                    client.xadd(key, fields, id=entry)


def _write_model(path: Path) -> None:
    small_model(rounds=3).save(path)


@dataclass(frozen=True)
class StoredFormat:
    """A format, and the file or folder that holds one thing of it."""

    name: str
    """Of the file, without the version."""
    suffix: str
    version: int
    write: Callable[[Path], None]
    has_same_bytes: bool = True
    """Whether writing the same thing again gives the same bytes."""

    @property
    def path(self) -> Path:
        """Where the thing of the present version lies."""
        return FOLDER / f"{self.name}_{self.version}{self.suffix}"


FORMATS = (
    StoredFormat("online_states", ".json", layout.FORMAT, _write_states),
    StoredFormat("online_store", ".db", sqlite.FORMAT, _write_store, has_same_bytes=False),
    StoredFormat("alert_outbox", ".db", outbox.FORMAT, _write_outbox, has_same_bytes=False),
    StoredFormat("redis_store", ".json", redis_store.FORMAT, _write_redis, has_same_bytes=False),
    StoredFormat(
        "captured_record",
        ".json",
        prediction_record.FORMAT_VERSION,
        lambda path: path.write_bytes(encode_record(RECORD)) and None,
    ),
    StoredFormat(
        "snapshot", ".json", snapshot.FORMAT_VERSION, lambda path: serving_snapshot(path.parent).write(path)
    ),
    StoredFormat("api_keys", ".json", api_keys.FORMAT_VERSION, API_KEYS.write),
    StoredFormat("follower_status", ".json", follower_status.FORMAT_VERSION, STATUS.write),
    StoredFormat(
        "seen_plans", ".json", seen_plans.FORMAT_VERSION, lambda path: seen_by_host(path.parent).write(path)
    ),
    StoredFormat(
        "manifest",
        ".json",
        manifest.FORMAT_VERSION,
        lambda path: path.write_text(MANIFEST.to_json(), encoding="utf-8") and None,
    ),
    StoredFormat(
        "view",
        ".json",
        stored_view.FORMAT_VERSION,
        lambda path: path.write_text(stored_view.view_to_json(STORED_VIEW), encoding="utf-8") and None,
    ),
    StoredFormat("model", "", trained_model.FORMAT_VERSION, _write_model, has_same_bytes=False),
)


if __name__ == "__main__":
    for stored in FORMATS:
        if not stored.path.exists():
            stored.write(stored.path)
