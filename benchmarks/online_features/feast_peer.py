"""Feast's online store behind pipes, run by the interpreter of `make peers-feast`: it imports nothing of ours.

`python feast_peer.py FOLDER sqlite|REDIS_ADDRESS` reads one JSON object per line and answers with one. The first names
the parquet file of each entity's precomputed values, {"customer_id": PATH, "terminal_id": PATH}; the answer says how
many rows were written. Each further one is a list of {"customer_id": …, "terminal_id": …}, asked one after the other;
the answer has the seconds that each `get_online_features` took, and the values it gave.
"""

import json
import sys
import time
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType  # pyright: ignore[reportMissingImports]
from feast.types import Float64  # pyright: ignore[reportMissingImports]


def open_store(folder: Path, online: str) -> FeatureStore:
    """A Feast repository in `folder` whose online store is SQLite there, or the Redis at an address."""
    online_store = {"type": "sqlite", "path": str(folder / "online.db")}
    if online != "sqlite":
        online_store = {"type": "redis", "connection_string": online}
    return FeatureStore(
        config=RepoConfig(
            project="peer",
            registry=str(folder / "registry.db"),
            provider="local",
            online_store=online_store,
            entity_key_serialization_version=3,
        )
    )


def load(store: FeatureStore, paths: dict[str, str]) -> tuple[list[str], int]:
    """Declare one feature view per entity and write its values; return the references of all features, and the rows."""
    references, rows = [], 0
    for entity_name, path in paths.items():
        names = [n for n in pq.read_schema(path).names if n not in (entity_name, "event_timestamp")]
        entity = Entity(name=entity_name, join_keys=[entity_name], value_type=ValueType.INT64)
        view = FeatureView(
            name=f"{entity_name}_features",
            entities=[entity],
            ttl=timedelta(days=365 * 100),
            schema=[Field(name=name, dtype=Float64) for name in names],
            source=FileSource(path=path, timestamp_field="event_timestamp"),
        )
        store.apply([entity, view])
        frame = pd.read_parquet(path)
        store.write_to_online_store(view.name, frame)
        references += [f"{view.name}:{name}" for name in names]
        rows += len(frame)
    return references, rows


def ask(store: FeatureStore, references: list[str], requests: list[dict[str, int]]) -> dict[str, list]:
    """Ask for the features of each request, one after the other."""
    seconds, values = [], []
    for request in requests:
        began = time.perf_counter()
        answer = store.get_online_features(features=references, entity_rows=[request]).to_dict()
        seconds.append(time.perf_counter() - began)
        values.append({name: value[0] for name, value in answer.items() if name not in request})
    return {"seconds": seconds, "values": values}


def main() -> None:
    """Serve until the input ends."""
    store = open_store(Path(sys.argv[1]), sys.argv[2])
    references, rows = load(store, json.loads(sys.stdin.readline()))
    print(json.dumps({"rows": rows}), flush=True)
    for line in sys.stdin:
        print(json.dumps(ask(store, references, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
